"""Instants as text: UTC with `Z`, fractions only when not zero (design 8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def write_instant(instant: datetime) -> str: ...
@overload
def write_instant(instant: None) -> None: ...
def write_instant(instant: datetime | None) -> str | None:
    """An aware datetime as RFC 3339 in UTC; None stays None."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
