"""The inbox of client apps: what it shows, and what users do with it.

Imports `rules`, `store`, `ingest` and `templating`.
"""
