"""PostgreSQL's partitions by the day: created ahead, dropped when they are past, and never waited for by ingest.

A row of a day without a partition falls into the default one, so that a missing partition never loses anything.
Creating or dropping a partition locks its whole table for a moment. Whoever waits for that lock blocks all who come
later, so each attempt waits for a tenth of a second only, and is repeated. `DETACH PARTITION … CONCURRENTLY` would lock
less, but PostgreSQL refuses it for a table with a default partition.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import Table, text
from sqlalchemy.exc import IntegrityError

from connector.store.engine.database import LONG_SECONDS, Database
from connector.store.engine.outages import Outage, StoreUnavailable
from connector.store.engine.transaction import Transaction
from connector.store.tables import decisions, interactions

_T = TypeVar("_T")

DAYS_AHEAD = 7
"""How many days after today have partitions."""
MAX_SCANNED_BYTES = 64 * 2**20
"""Creating a partition reads the default one under the lock: a worker does not do that to a larger one."""

_LOCKS = "/partitions"  # a lock that is no workspace's: ids begin with a letter or a digit
_LOCK_WAIT = "100ms"
_PAUSES_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 2.0, 5.0, 5.0, 5.0, 10.0, 10.0)
"""The pauses between attempts to get a lock; after the last one, the next run tries again."""


@dataclass(frozen=True)
class DailyTable:
    """A table with a partition for each day.

    Args:
        suffix: what follows a day in a bound: midnight in UTC if the partitions are by an instant.
    """

    table: Table
    suffix: str

    @property
    def default(self) -> str:
        """The name of the partition for days that have none of their own."""
        return f"{self.table.name}_other_days"

    def name(self, day: date) -> str:
        """Return the name of a day's partition."""
        return f"{self.table.name}_{day:%Y%m%d}"


DAILY_TABLES = (DailyTable(interactions, ""), DailyTable(decisions, " 00:00:00+00"))


async def ensure_partitions(
    database: Database, today: date, *, ahead_days: int = DAYS_AHEAD, max_scanned_bytes: int | None = None
) -> list[str]:
    """Create the partitions of `today` (a UTC date) and of the days ahead that are missing; return those that failed.

    A day that has rows in the default partition stays there: nothing is moved.

    Args:
        max_scanned_bytes: the largest default partition that may be read under the lock; None: any.
    """
    failed: list[str] = []
    if database.dialect == "sqlite":
        return failed
    for daily in DAILY_TABLES:
        async with database.read(_LOCKS) as tx:
            known = await list_partitions(tx, daily)
            is_large = max_scanned_bytes is not None and await _bytes_of(tx, daily.default) > max_scanned_bytes
            is_possible = not is_large and await may_alter(tx, daily)
        for day in (today + timedelta(days=ahead) for ahead in range(ahead_days + 1)):
            if day in known:
                continue
            if not is_possible or not await retry_while_locked(partial(_create, database, daily, day)):
                failed.append(daily.name(day))
    return failed


async def may_alter(tx: Transaction, daily: DailyTable) -> bool:
    """Return whether this process may create and drop the table's partitions: its user owns the table, or is a member.

    Workers need no such privilege: then `connector setup`, run daily by the owner, creates the partitions.
    """
    statement = text(
        "SELECT pg_has_role(relowner, 'USAGE') AND has_schema_privilege(relnamespace, 'CREATE') "
        "FROM pg_class WHERE oid = to_regclass(:name)"
    )
    return bool((await tx.execute(statement, {"name": daily.table.name})).scalar_one())


async def list_partitions(tx: Transaction, daily: DailyTable) -> dict[date, str]:
    """Return the names of the partitions by their days, oldest first; without the default one."""
    statement = text(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = to_regclass(:parent) ORDER BY c.relname"
    )
    names = (await tx.execute(statement, {"parent": daily.table.name})).scalars()
    dated = ((re.fullmatch(rf"{daily.table.name}_(\d{{4}})(\d\d)(\d\d)", name), name) for name in names)
    return {date(*map(int, found.groups())): name for found, name in dated if found}


async def retry_while_locked(act: Callable[[], Awaitable[_T]]) -> _T | None:
    """Call `act`, whose transaction waits for locks for a moment only, until it succeeds; None: it never did.

    Raises:
        StoreUnavailable: for another reason than a lock.
    """
    for pause in (*_PAUSES_SECONDS, None):
        try:
            return await act()
        except StoreUnavailable as error:
            if error.outage is not Outage.BUSY:
                raise
        if pause is not None:
            await asyncio.sleep(pause)
    return None


async def shorten_lock_waits(tx: Transaction) -> None:
    """Let the rest of a transaction on PostgreSQL wait for each lock for a moment only."""
    await tx.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_WAIT}'"))


async def _create(database: Database, daily: DailyTable, day: date) -> bool:
    bounds = f"FROM ('{day}{daily.suffix}') TO ('{day + timedelta(days=1)}{daily.suffix}')"
    create = f"CREATE TABLE IF NOT EXISTS {daily.name(day)} PARTITION OF {daily.table.name} FOR VALUES {bounds}"
    async with database.write(_LOCKS, lock="exclusive", seconds=LONG_SECONDS) as tx:
        await shorten_lock_waits(tx)
        with suppress(IntegrityError):  # the default partition has rows of the day
            async with tx.connection.begin_nested():
                await tx.execute(text(create))
    return True


async def _bytes_of(tx: Transaction, name: str) -> int:
    found = await tx.execute(text("SELECT coalesce(pg_relation_size(to_regclass(:name)), 0)"), {"name": name})
    return int(found.scalar_one())
