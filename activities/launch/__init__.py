"""Launch a scheduled original: add its audience and send to it, page by page."""
