"""Drafts, checks and orders: publication, stop, resume and archiving.

Imports `model`, `targeting`, `timing`, `catalogue` and `sending`.
"""
