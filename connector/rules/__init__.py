"""The rules: models and decisions as pure functions, without clock, randomness or I/O.

Imports the standard library and pydantic. Packages import downwards only: model < targeting, timing < catalogue <
triggering < sending, results < publishing, provider_events, explaining.
"""
