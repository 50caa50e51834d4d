"""Places in the windows of channels with a rate, which launches and follow-ups share.

The time of a window is the database's, since the clocks of workers differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from connector.rules.sending.rates import (
    RateLimit,
    RateWindow,
    count_rows_with_places,
    release_to_window,
    take_from_window,
)
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.rates import lock_windows, save_windows

Limits = Mapping[str, RateLimit]
"""By channel; a channel that is missing has no limit."""


@dataclass(frozen=True)
class RowPlaces:
    """The places of rows of a launch: how many rows have one on each of their channels, from the first row on.

    `windows` are those in which the places were taken. If no row has places, the first row may get them after `wait`.
    """

    rows: int
    windows: Mapping[str, RateWindow] = field(default_factory=dict)
    wait: timedelta = timedelta()


async def take_places(
    tx: Transaction, limits: Limits, messages: Mapping[int, str], channels: Collection[str]
) -> dict[int, timedelta]:
    """Take places for messages, in their order.

    Args:
        messages: the channel of each message, by a number that the caller chooses.
        channels: all for which this transaction may take places, now or later: their windows are locked together, so
            that no two transactions wait for each other.

    Returns:
        The messages that got no place, with the time until their channel's window ends.
    """
    wanted: dict[str, list[int]] = {}
    for number, channel in messages.items():
        if channel in limits:
            wanted.setdefault(channel, []).append(number)
    windows = await lock_windows(tx, limits.keys() & channels)
    taken: dict[str, RateWindow] = {}
    waits: dict[int, timedelta] = {}
    for channel, numbers in wanted.items():
        limit = limits[channel]
        granted, window = take_from_window(windows[channel], tx.now, limit, len(numbers))
        taken |= {channel: window} if granted else {}
        waits |= dict.fromkeys(numbers[granted:], limit.left(window, tx.now))
    await save_windows(tx, taken)
    return waits


async def take_row_places(tx: Transaction, limits: Limits, rows: Sequence[Sequence[str]]) -> RowPlaces:
    """Take a place on each channel of each row, for as many rows as possible from the first on.

    Args:
        rows: the channels of each row; at least one row.
    """
    windows = await lock_windows(tx, {channel for row in rows for channel in row if channel in limits})
    free = {c: take_from_window(window, tx.now, limits[c], len(rows))[0] for c, window in windows.items()}
    count = count_rows_with_places(rows, free)
    if not count:
        return RowPlaces(0, wait=max(limits[c].left(windows[c], tx.now) for c in rows[0] if free.get(c) == 0))
    wanted = Counter(channel for row in rows[:count] for channel in row if channel in limits)
    taken = {c: take_from_window(windows[c], tx.now, limits[c], number)[1] for c, number in wanted.items()}
    await save_windows(tx, taken)
    return RowPlaces(count, taken)


async def release_places(tx: Transaction, taken: Mapping[str, RateWindow], unused: Mapping[str, int]) -> None:
    """Release places of these windows that were not used, by channel."""
    windows = await lock_windows(tx, unused.keys())
    await save_windows(tx, {c: release_to_window(window, taken[c], unused[c]) for c, window in windows.items()})
