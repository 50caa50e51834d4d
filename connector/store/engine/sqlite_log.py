"""SQLite's write-ahead log, emptied after an erasure: it still has the pages as they were before (guarantee 8)."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing

_ATTEMPTS, _PAUSE_SECONDS = 20, 0.25
_BUSY_SECONDS = 0.05
"""While a checkpoint waits for readers, other writers wait for it: it gives up soon, and is tried again."""


async def truncate_log(path: str) -> bool:
    """Move the log into the database file and empty it; return whether no reader of an old snapshot prevented that.

    It uses a connection of its own, so that no transaction waits for it.
    """
    for attempt in range(_ATTEMPTS):
        if attempt:
            await asyncio.sleep(_PAUSE_SECONDS)
        if await asyncio.to_thread(_try_to_truncate, path):
            return True
    return False


def _try_to_truncate(path: str) -> bool:
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as connection:
            (is_busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.OperationalError:  # the file is locked, or cannot be written now
        return False
    return not is_busy
