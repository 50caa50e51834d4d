"""Processor time, which other work on the machine changes less than it changes the time until an answer."""

from __future__ import annotations

import os
from pathlib import Path
from time import process_time

from sqlalchemy import text

from connector.store.engine.database import Database

_TICKS = os.sysconf("SC_CLK_TCK")


def seconds_of(pid: int) -> float:
    """Return how many seconds of processor time a process has used, to a hundredth; 0 if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def seconds_with_database(database: Database) -> float:
    """Return the processor time of this process, and of PostgreSQL's processes that work for the database's clients."""
    used = process_time()
    if database.dialect == "sqlite":
        return used
    async with database.read("/bench") as tx:
        backends = text("SELECT pid FROM pg_stat_activity WHERE datname = current_database()")
        return used + sum(map(seconds_of, (await tx.execute(backends)).scalars()))
