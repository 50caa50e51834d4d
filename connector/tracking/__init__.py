"""Opens and clicks: links that lead back to a delivery, put into what goes out and read when they are followed."""
