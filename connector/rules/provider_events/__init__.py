"""What providers report of messages, and what follows from it: attribution, engagements, consent, suppressions.

Imports `model`, `targeting` and `sending`.
"""
