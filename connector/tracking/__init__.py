"""Tracked links and opens: tokens, link rewriting, classified visits. Imports `rules`, `store` and `ingest`."""
