"""What happens at the due time: the due-time list, deliveries, launches, operator actions.

Imports `model`, `catalogue`, `targeting` and `timing`.
"""
