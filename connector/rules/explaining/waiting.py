"""Describe what an open follow-up waits for: its due time, or the fault that delays a due message (W6)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from connector.rules.explaining.wording import describe_state
from connector.rules.model.reasons import State
from connector.rules.model.values import format_instant
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState

_UNITS = (
    (timedelta(days=1), "d"),
    (timedelta(hours=1), "h"),
    (timedelta(minutes=1), "min"),
    (timedelta(seconds=1), "s"),
)


def describe_wait(
    state: str, next_at: datetime, messages: Sequence[DeliveryRecord], now: datetime, *, is_paused: bool = False
) -> str:
    """Describe what an open follow-up waits for, as of `now` (UTC).

    Args:
        next_at: the time that the follow-up waits for; once that has passed, its messages are due.
        messages: the messages that were attempted.
        is_paused: whether the follow-up belongs to a launch of a stopped campaign (P9).
    """
    if state == State.SENDING:
        return describe_state(state)
    if is_paused:
        return "is paused: the campaign is stopped"
    tried = [message for message in messages if message.state is DeliveryState.OPEN and message.fault]
    waits_until = f"{describe_state(state)} until {format_instant(next_at)}" if next_at > now else None
    attempts = "; ".join(_describe_attempts(message, bool(waits_until) or len(tried) > 1) for message in tried)
    if waits_until is not None:
        return f"{waits_until}; {attempts}" if attempts else waits_until
    return f"due for {describe_age(now - next_at)}; {attempts or 'no attempt yet'}"


def describe_age(age: timedelta) -> str:
    """Return an age in its largest unit, cut: "9 s", "3 min", "2 h", "1 d"."""
    size, unit = next(((size, unit) for size, unit in _UNITS if age >= size), _UNITS[-1])
    return f"{age // size} {unit}"


def _describe_attempts(message: DeliveryRecord, names_channel: bool) -> str:
    parts = [part for part in (message.detail, f"last: {message.fault}") if part]
    return f"{message.channel}: {', '.join(parts)}" if names_channel else "; ".join(parts)
