"""Providers' reports on messages, and their effects: attribution, engagements, consent, suppressions.

Imports `model`, `targeting` and `sending`.
"""
