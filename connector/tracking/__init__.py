"""Tracked links and opens: tokens, link rewriting, visits. Imports `rules`, `settings`, `store` and `ingest`."""
