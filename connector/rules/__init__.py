"""Models and decisions as pure functions: no clock, no randomness, no I/O.

Imports the standard library and pydantic.
"""
