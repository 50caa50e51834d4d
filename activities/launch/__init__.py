"""The activity that launches a scheduled original: gathers its audience and sends to it, page by page."""
