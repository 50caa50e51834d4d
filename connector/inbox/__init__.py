"""The inbox of client apps: load messages, record what users do with them, and sign inbox tokens.

Imports `rules`, `store`, `ingest` and `templating`.
"""
