"""What an interaction does: the trigger list, exceptions, replay in event order.

Imports `model`, `targeting`, `timing` and `catalogue`.
"""
