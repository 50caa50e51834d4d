"""The log's day partitions on PostgreSQL. SQLite keeps the log in one table."""

from __future__ import annotations

from datetime import date, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError

from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction

_LOCK = "/partitions"


async def ensure_partitions(database: Database, today: date, *, ahead_days: int = 7) -> None:
    """Make the partitions of `today` (a UTC date) and the days ahead that are not there yet.

    A day of which rows already lie in the default partition stays there: nothing fails, nothing is moved.
    """
    if database.dialect == "sqlite":
        return
    async with database.write(_LOCK, lock="exclusive") as tx:
        for day in (today + timedelta(days=ahead) for ahead in range(ahead_days + 1)):
            await _ensure(tx, day)


async def _ensure(tx: Transaction, day: date) -> None:
    name = f"interactions_{day:%Y%m%d}"
    # Asked first, because making one locks the whole log, if only for a moment.
    if (await tx.execute(select(func.to_regclass(name).is_not(None)))).scalar_one():
        return
    bounds = f"FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    try:
        async with tx.connection.begin_nested():
            await tx.execute(text(f"CREATE TABLE {name} PARTITION OF interactions FOR VALUES {bounds}"))
    except IntegrityError:
        return
