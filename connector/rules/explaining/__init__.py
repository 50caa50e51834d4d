"""Why a user did or did not receive a message: evidence, near misses and wording.

Imports `model`, `targeting`, `timing`, `catalogue` and `sending`.
"""
