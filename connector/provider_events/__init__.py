"""Turns providers' events into interactions, consent and suppressions.

Imports `rules`, `store`, `ingest` and `tracking`.
"""
