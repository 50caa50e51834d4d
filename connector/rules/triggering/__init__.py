"""What an interaction does: the trigger list, exceptions, replay in event order.

Imports `model`, `catalogue`, `targeting` and `timing`.
"""
