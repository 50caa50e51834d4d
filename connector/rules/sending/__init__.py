"""Decide what is sent when it is due: the due-time list, deliveries, effects, launches, operator actions.

Imports `model`, `catalogue`, `targeting`, `timing` and `triggering`.
"""
