"""The effects of an interaction: the trigger list, exceptions, replay in event order.

Imports `model`, `targeting`, `timing` and `catalogue`.
"""
