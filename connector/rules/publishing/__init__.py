"""What may be published, in which order, and with which warnings.

Imports `model`, `targeting`, `timing`, `catalogue` and `sending`.
"""
