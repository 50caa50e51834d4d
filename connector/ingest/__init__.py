"""Ingest interactions: parse items, coalesce batches into transactions, log what is new, and evaluate it.

Imports `rules` and `store`.
"""
