"""Hands messages to providers: one module a channel or provider, behind `protocol`.

Imports `rules`, `settings`, `tracking` and `store`.
"""
