"""Why a user did or did not get a message: evidence, near misses and wording.

Imports every other package of `rules`.
"""
