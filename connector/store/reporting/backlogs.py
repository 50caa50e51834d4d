"""The backlogs of the store, for the metrics: what waits although its time has come, counted by index up to a limit.

The messages of a launch take turns for hours, so they are not overdue; `load_launch_work` shows whether it goes on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, Select, and_, func, select

from connector.rules.model.reasons import OPEN_STATES
from connector.store.engine.transaction import Transaction, clock, database_now
from connector.store.follow_ups.outbox import is_moved, is_to_signal, is_to_start
from connector.store.follow_ups.selection import is_open
from connector.store.tables import entries, follow_ups, launches

OVERDUE_AFTER = timedelta(minutes=1)
"""A message that has been due for longer is overdue: a worker that keeps up takes far less."""
MAX_COUNTED = 100_000
"""The most rows that are counted of each kind; a number that large says enough."""
_MAX_LAUNCHES = 50
_MAX_LAUNCH_ROWS = 10_000


@dataclass(frozen=True)
class Backlog:
    """How many rows wait, and since when the first of them does (UTC); None: none waits."""

    count: int = 0
    since: datetime | None = None


@dataclass(frozen=True)
class LaunchWork:
    """A launch that has begun and not ended.

    `kept_up_at` is when it was last at work. `waiting` counts its open messages, and `due` those of them whose time has
    come, of the first ten thousand. `is_paused`: its campaign is stopped.
    """

    campaign: str
    is_gathering: bool
    is_paused: bool
    kept_up_at: datetime
    waiting: int
    due: int


@dataclass(frozen=True)
class Backlogs:
    """Everything that waits, as of `now`, the database's clock (UTC).

    `overdue` is by the state of the follow-ups, `outbox` by the outbox's call: start, signal, move and launch.
    """

    now: datetime
    overdue: Mapping[str, Backlog]
    outbox: Mapping[str, Backlog]
    launches: Sequence[LaunchWork]


async def load_backlogs(tx: Transaction) -> Backlogs:
    """Load everything that waits, in seven statements."""
    now = await database_now(tx)
    outbox = {
        "start": _to_start(tx),
        "signal": _to_signal(tx),
        "move": _moved(tx),
        "launch": _launches_to_signal(tx),
    }
    return Backlogs(
        now=now,
        overdue=await _load_overdue(tx),
        outbox={call: Backlog(*(await tx.execute(statement)).one()) for call, statement in outbox.items()},
        launches=await _load_launch_work(tx, now),
    )


async def count_overdue_by(tx: Transaction, column: Column[Any]) -> list[tuple[Any, int, datetime]]:
    """Count the open follow-ups that have been due for more than a minute, of very many those that waited longest.

    Messages of launches take turns, and are left out.

    Args:
        column: of the follow-ups, by which they are counted.

    Returns:
        The value, the number, and since when the first of them has been due (UTC), the longest overdue first.
    """
    table = follow_ups.c
    oldest = (
        select(column.label("value"), table.next_at, table.signalled_at)
        .where(tx.in_workspace(follow_ups), is_open(), table.next_at < clock(tx, ahead=-OVERDUE_AFTER))
        .order_by(table.next_at)
        .limit(MAX_COUNTED)
        .subquery()
    )
    since = func.min(oldest.c.next_at)
    statement = (
        select(oldest.c.value, func.count(), since)
        .where(oldest.c.signalled_at.is_(None))  # those of a launch are marked when they are inserted
        .group_by(oldest.c.value)
        .order_by(since)
    )
    return [(value, int(count), at) for value, count, at in await tx.execute(statement)]


async def _load_overdue(tx: Transaction) -> dict[str, Backlog]:
    """Return the overdue follow-ups by state."""
    found = {state: Backlog(count, since) for state, count, since in await count_overdue_by(tx, follow_ups.c.state)}
    return {state.value: found.get(state.value, Backlog()) for state in OPEN_STATES}


def _to_start(tx: Transaction) -> Select[*tuple[Any, ...]]:
    table = follow_ups.c
    return _count(select(table.created_at.label("at")).where(*is_to_start(tx)).order_by(table.due_at))


def _to_signal(tx: Transaction) -> Select[*tuple[Any, ...]]:
    table = follow_ups.c
    return _count(select(table.decided_at.label("at")).where(*is_to_signal(tx)).order_by(table.decided_at))


def _moved(tx: Transaction) -> Select[*tuple[Any, ...]]:
    table = follow_ups.c
    return _count(select(table.moved_at.label("at")).where(*is_moved(tx)).order_by(table.moved_at))


def _launches_to_signal(tx: Transaction) -> Select[*tuple[Any, ...]]:
    table = launches.c
    is_unknown = (table.ended_at.is_(None), table.told_in < table.changed_in)
    return _count(select(table.published_at.label("at")).where(tx.in_workspace(launches), *is_unknown))


def _count(rows: Select[Any]) -> Select[*tuple[Any, ...]]:
    waiting = rows.limit(MAX_COUNTED).subquery()
    return select(func.count(), func.min(waiting.c.at))


async def _load_launch_work(tx: Transaction, now: datetime) -> list[LaunchWork]:
    """Return the launches that have begun and not ended, the oldest first; there are few."""
    table, row = launches.c, follow_ups.c
    its_open = and_(tx.in_workspace(follow_ups), row.campaign == table.campaign, is_open())
    first = select(row.next_at).where(its_open, row.trigger_id == table.launch_id).limit(_MAX_LAUNCH_ROWS)
    its_rows = first.correlate(launches).subquery()
    waiting = select(func.count()).select_from(its_rows).scalar_subquery()
    due = select(func.count()).select_from(its_rows).where(its_rows.c.next_at <= now).scalar_subquery()
    is_entry = and_(entries.c.workspace == table.workspace, entries.c.id == table.campaign)
    statement = (
        select(table.campaign, table.paged_at.is_(None), entries.c.state != "active", table.kept_up_at)
        .add_columns(waiting.label("waiting"), due.label("due"))
        .join(entries, is_entry)
        .where(tx.in_workspace(launches), table.ended_at.is_(None), table.begun_at.is_not(None))
        .order_by(table.published_at)
        .limit(_MAX_LAUNCHES)
    )
    return [LaunchWork(*one) for one in await tx.execute(statement)]
