"""Ingest interactions: parse items, put waiting batches into one transaction, log what is new, and evaluate it.

Imports `rules` and `store`.
"""
