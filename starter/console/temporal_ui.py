"""The namespace that links into Temporal's UI name."""

from __future__ import annotations

from functools import cache

from connector.temporal.client import configured_namespace


@cache
def temporal_namespace() -> str:
    """Return the namespace of TEMPORAL_* and the profiles, read once."""
    return configured_namespace()
