"""Compute when Temporal tries a message again that its provider certainly did not accept (W6)."""

from __future__ import annotations

from datetime import datetime, timedelta

from connector.rules.model.values import format_instant

FIRST_PAUSE, MAX_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
"""The pause after the first attempt, which doubles with each further attempt, and the longest pause."""


def next_attempt_at(attempt: int, failed_at: datetime, retry_after: timedelta | None) -> datetime:
    """Return the time of the next attempt at a message, UTC.

    Args:
        attempt: the number of the attempt that failed, from 1.
        failed_at: when that attempt ended, UTC.
        retry_after: the pause that the provider requested; None: it requested none.
    """
    if retry_after is not None:
        return failed_at + retry_after
    return failed_at + min(FIRST_PAUSE * (1 << min(attempt - 1, 10)), MAX_PAUSE)


def describe_next_attempt(attempt: int, at: datetime) -> str:
    """Describe the attempt after this one, which is made at `at` (UTC)."""
    return f"attempt {attempt + 1} at {format_instant(at.replace(microsecond=0))}"
