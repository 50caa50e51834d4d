"""What may be published, in which order and with which warnings.

Imports the packages below it: `model`, `catalogue`, `targeting`, `timing`.
"""
