"""What a provider's Retry-After asks for (RFC 9110, section 10.2.3)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER = timedelta(hours=1)
"""No provider may hold a message up for longer in one go."""


def read_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read seconds or an HTTP date into the time to wait from `now` (aware), within [0, LONGEST].

    None where nothing was asked for, or nothing that can be read.
    """
    if value is None:
        return None
    try:
        wait = _seconds(value) if value.strip().isdecimal() else _date(value) - now
    except (ValueError, OverflowError):
        return None
    return min(max(wait, timedelta()), MAX_RETRY_AFTER)


def _seconds(value: str) -> timedelta:
    return timedelta(seconds=min(int(value), MAX_RETRY_AFTER.total_seconds()))


def _date(value: str) -> datetime:
    date = parsedate_to_datetime(value)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
