"""Turns providers' events into interactions, consent and suppressed addresses: resolve, plan, apply.

Imports `rules`, `settings`, `store`, `ingest` and `tracking`.
"""
