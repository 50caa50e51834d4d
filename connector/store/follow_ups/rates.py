"""The windows in which messages of channels with a rate are counted, one row for each channel."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from connector.rules.sending.rates import RateWindow
from connector.store.engine.bulk import upsert_rows
from connector.store.engine.transaction import Transaction
from connector.store.tables import channel_windows


async def lock_windows(tx: Transaction, channels: Collection[str]) -> dict[str, RateWindow]:
    """Lock the windows of channels until the transaction ends, in sorted order, and load them.

    A missing row is inserted in the same statement, so that there is always one to lock.
    """
    if not channels:
        return {}
    table = channel_windows.c
    rows = [{"workspace": tx.workspace, "channel": name, "at": None, "count": 0} for name in sorted(channels)]
    locked = upsert_rows(tx, channel_windows, rows, ["channel"]).returning(table.channel, table.at, table["count"])
    return {channel: RateWindow(at, count) for channel, at, count in await tx.execute(locked)}


async def save_windows(tx: Transaction, windows: Mapping[str, RateWindow]) -> None:
    """Save windows, which are locked, by channel."""
    rows = [
        {"workspace": tx.workspace, "channel": channel, "at": window.at, "count": window.count}
        for channel, window in sorted(windows.items())
    ]
    if rows:
        await tx.execute(upsert_rows(tx, channel_windows, rows, ["at", "count"]))
