"""Rates: how many messages may be sent now, counted in windows that begin with their first message.

A launch has a rate of its own (`per_minute`), and each channel may have one that launches and follow-ups share.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

_MAX_AHEAD = timedelta(minutes=1)
"""A window that begins up to this long after `now` counts; a later one was begun by a clock that was set back since.

A transaction can wait for the window's lock, so that its `now` is before the begin of the window that it loads.
"""


@dataclass(frozen=True)
class RateWindow:
    """The number of messages in the window that began at `at` (UTC; None before the first message)."""

    at: datetime | None = None
    count: int = 0


@dataclass(frozen=True)
class RateLimit:
    """At most `count` messages in a window of this length."""

    count: int
    length: timedelta

    @property
    def launch_share(self) -> RateLimit:
        """The limit for a launch on a channel: it leaves a fifth of each window to follow-ups."""
        return replace(self, count=max(1, self.count * 4 // 5))

    def left(self, window: RateWindow, now: datetime) -> timedelta:
        """Return the time until the next window may begin; zero or less if it may begin now."""
        return timedelta() if window.at is None else window.at + self.length - now


def per_minute(count: int) -> RateLimit:
    """Return the limit of a launch: so many users a minute."""
    return RateLimit(count, timedelta(minutes=1))


def per_second(rate: float) -> RateLimit:
    """Return the limit of a channel: `rate` messages a second on average, in windows of whole messages."""
    count = max(1, math.floor(rate))
    return RateLimit(count, timedelta(seconds=count / rate))


def take_from_window(window: RateWindow, now: datetime, limit: RateLimit | None, wanted: int) -> tuple[int, RateWindow]:
    """Return how many of `wanted` messages may be sent at `now` (UTC), and the window once they were."""
    if limit is None:
        return wanted, window
    if window.at is None or limit.left(window, now) <= timedelta() or window.at - now > _MAX_AHEAD:
        window = RateWindow(now)
    granted = max(0, min(wanted, limit.count - window.count))
    return granted, RateWindow(window.at, window.count + granted)


def release_to_window(window: RateWindow, taken_in: RateWindow, unused: int) -> RateWindow:
    """Return `window` without the unused places, if they are places of it; those of an earlier window have expired."""
    return replace(window, count=max(0, window.count - unused)) if window.at == taken_in.at else window


def count_rows_with_places(rows: Sequence[Sequence[str]], free: Mapping[str, int]) -> int:
    """Return how many rows, from the first on, have a place for each of their channels.

    Args:
        rows: the channels of each row.
        free: the number of places by channel; a channel that is missing has no limit.
    """
    wanted: Counter[str] = Counter()
    for position, channels in enumerate(rows):
        wanted.update(channels)
        if any(wanted[channel] > free[channel] for channel in channels if channel in free):
            return position
    return len(rows)
