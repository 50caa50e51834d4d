"""PostgreSQL's past days of the log and the decisions: a partition whose rows are all past is dropped at once.

Rows of a past day can still be needed: items that arrived late, items that an audience looks back to, and the rows of
another workspace. A few of them are moved to the default partition in the transaction that drops the day; if there are
many, only what is past is deleted from the day, in batches, and the day is dropped later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Table, insert, select, text

from connector.store.cleanup.deletions import NEEDED, Deletion, daily_deletions
from connector.store.cleanup.horizons import Horizons
from connector.store.engine.partitions import DAILY_TABLES, DailyTable, list_partitions, may_alter
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.tallies import subtract_rows
from connector.store.tables import decisions

MAX_MOVED = 1000
"""How many rows are moved while the lock is held; it takes some hundredths of a second."""
_MARGIN = timedelta(days=1)
"""A transaction that began before midnight may still insert into what was the oldest day then."""


@dataclass(frozen=True)
class PastDay:
    """A past partition.

    Args:
        table: the partition.
        deletions: delete its past rows, if it cannot be dropped.
        rows: the estimate of the statistics; None if the partition was never analysed.
        bytes: with its indexes.
        may_drop: whether this process has the privilege.
    """

    daily: DailyTable
    name: str
    table: Table
    deletions: Sequence[Deletion]
    rows: int | None
    bytes: int
    may_drop: bool


async def find_past_days(tx: Transaction, horizons: Horizons) -> list[PastDay]:
    """Return the partitions of days before the horizon, oldest first; on SQLite there are none."""
    if tx.dialect == "sqlite":
        return []
    before = horizons.log.date() - _MARGIN
    return [
        await _describe(tx, daily, name, horizons)
        for daily in DAILY_TABLES
        for day, name in (await list_partitions(tx, daily)).items()
        if day < before
    ]


def default_deletions(horizons: Horizons) -> list[Deletion]:
    """Return the deletions of past rows in the default partitions, which hold several days."""
    return [one for daily in DAILY_TABLES for one in daily_deletions(daily.table, horizons, daily.default)]


async def drop_day(tx: Transaction, day: PastDay, horizons: Horizons) -> int | None:
    """Drop a past partition, and return how many rows were moved, which are still needed; None: there are too many.

    Nothing may change the rows between: the partition is locked against writers first, then the whole table.
    """
    await tx.execute(text(f"LOCK TABLE {day.name} IN SHARE ROW EXCLUSIVE MODE"))
    needed = NEEDED[day.daily.table.name](tx, day.table, horizons)
    found = await tx.execute(select(day.table).where(needed).limit(MAX_MOVED + 1))
    rows: list[dict[str, Any]] = [dict(row) for row in found.mappings()]
    if len(rows) > MAX_MOVED:
        return None
    if day.daily.table is decisions:
        await subtract_rows(tx, day.table)
    await tx.execute(text(f"DROP TABLE {day.name}"))
    if rows:
        await tx.execute(insert(day.daily.table), rows)
    return len(rows)


async def _describe(tx: Transaction, daily: DailyTable, name: str, horizons: Horizons) -> PastDay:
    sizes = text("SELECT reltuples::bigint, pg_total_relation_size(oid) FROM pg_class WHERE oid = to_regclass(:name)")
    rows, size = (await tx.execute(sizes, {"name": name})).one()
    deletions = daily_deletions(daily.table, horizons, name)
    estimate = int(rows) if rows >= 0 else None
    return PastDay(daily, name, deletions[0].table, deletions, estimate, int(size), await may_alter(tx, daily))
