"""The rows that the outbox has to start or signal in Temporal, and the marks that it has done so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, RowMapping, func, literal, literal_column, null, select, true, update

from connector.rules.model.reasons import OPEN_STATES, State
from connector.store.engine.transaction import Transaction, clock, database_now
from connector.store.tables import Instant, follow_ups, launches

_IDS_PER_STATEMENT = 500
_ENDED_OUTSIDE: ColumnElement[bool] = literal_column("follow_ups.ended_outside")


async def find_to_start(
    tx: Transaction, limit: int, *, min_age: timedelta | None = None, due_within: timedelta | None = None
) -> Sequence[RowMapping]:
    """Return waiting follow-ups without a workflow, the oldest due first.

    Args:
        min_age: only rows that have been in the store for that long; None: all.
        due_within: only rows that are due so soon; None: all.
    """
    table = follow_ups.c
    old_enough = true() if min_age is None else table.created_at <= await database_now(tx) - min_age
    statement = (
        select(table.id, table.campaign, table.user_key, table.next_at, table.channels, table.resends)
        .where(*is_to_start(tx), old_enough)
        .order_by(table.due_at)
        .limit(limit)
    )
    if due_within is not None:
        statement = statement.where(table.due_at <= clock(tx, ahead=due_within))
    return (await tx.execute(statement)).mappings().all()


def is_to_start(tx: Transaction) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a follow-up waits without a workflow; as written in the index, which SQLite demands."""
    table = follow_ups.c
    is_waiting = table.state == literal(State.WAITING.value, literal_execute=True)
    return tx.in_workspace(follow_ups), table.started_at.is_(None), is_waiting


def is_to_signal(tx: Transaction) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a follow-up's workflow does not know its end; as written in the index.

    SQLAlchemy would write `ended_outside = 1` for SQLite, which then read every follow-up in each sweep.
    """
    table = follow_ups.c
    has_ended: tuple[ColumnElement[bool], ...] = (_ENDED_OUTSIDE, table.state.not_in(OPEN_STATES))
    return tx.in_workspace(follow_ups), *has_ended, table.started_at.is_not(None), table.signalled_at.is_(None)


async def find_to_signal(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Return follow-ups that ended from outside and whose workflows do not know yet, the oldest end first.

    One that was partly sent may still have a message that is being sent: it ends with the result.
    """
    table = follow_ups.c
    return await _find_first(tx, is_to_signal(tx), table.decided_at, limit, table.state, table.reason)


def is_moved(tx: Transaction) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that a follow-up's workflow does not know to when an operator moved its wait."""
    table = follow_ups.c
    return tx.in_workspace(follow_ups), table.moved_at.is_not(None), table.started_at.is_not(None)


async def find_moved(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Return follow-ups whose waits operators moved in the store and whose workflows do not know yet, oldest first."""
    table = follow_ups.c
    return await _find_first(tx, is_moved(tx), table.moved_at, limit, table.moved_at, table.next_at)


async def _find_first(
    tx: Transaction,
    conditions: Sequence[ColumnElement[bool]],
    order: Column[datetime],
    limit: int,
    *columns: Column[Any],
) -> Sequence[RowMapping]:
    """Return the first follow-ups that meet the conditions: what names their workflows, and these columns."""
    table = follow_ups.c
    names = (table.id, table.campaign, table.user_key, table.resends)
    statement = select(*names, *columns).where(*conditions).order_by(order).limit(limit)
    return (await tx.execute(statement)).mappings().all()


async def find_launches_to_signal(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Return launches that have no workflow yet, or one that does not know the newest order, the oldest first."""
    table = launches.c
    statement = (
        select(table.launch_id, table.campaign, table.changed_in, table.started_at)
        .where(tx.in_workspace(launches), table.ended_at.is_(None), table.told_in < table.changed_in)
        .order_by(table.published_at)
        .limit(limit)
    )
    return (await tx.execute(statement)).mappings().all()


async def mark_started(tx: Transaction, ids: Sequence[str]) -> None:
    """Mark that the workflows of follow-ups run; those that have ended meanwhile are signalled next."""
    await _mark(tx, ids, "started_at")


async def mark_signalled(tx: Transaction, ids: Sequence[str]) -> None:
    """Mark that the workflows of follow-ups know their end, or have ended by themselves."""
    await _mark(tx, ids, "signalled_at")


async def mark_moves_signalled(tx: Transaction, ids: Sequence[str], moved_until: datetime) -> None:
    """Mark that the workflows of follow-ups know the moves up to an instant (UTC); a later move is signalled again."""
    where = follow_ups.c.moved_at <= moved_until
    await _mark(tx, ids, "moved_at", null(), where)


async def mark_launches_signalled(tx: Transaction, versions: Mapping[str, int]) -> None:
    """Mark that the workflows of launches run, and know the orders up to these versions of the catalogue."""
    now = await database_now(tx)
    for id, version in versions.items():
        where = (tx.in_workspace(launches), launches.c.launch_id == id, launches.c.told_in < version)
        started = func.coalesce(launches.c.started_at, literal(now, Instant))
        await tx.execute(update(launches).where(*where).values(told_in=version, started_at=started))


async def _mark(
    tx: Transaction, ids: Sequence[str], column: str, value: Any = None, *more: ColumnElement[bool]
) -> None:
    """Give a column a value, by default the present time."""
    value = await database_now(tx) if value is None else value
    for start in range(0, len(ids), _IDS_PER_STATEMENT):
        page = ids[start : start + _IDS_PER_STATEMENT]
        where = (tx.in_workspace(follow_ups), follow_ups.c.id.in_(page), *more)
        if tx.dialect == "postgresql":
            # The users are not locked here: a row that another transaction holds is left to the next sweep.
            free = select(follow_ups.c.id).where(*where).with_for_update(skip_locked=True)
            page = list((await tx.execute(free)).scalars())
            where = (tx.in_workspace(follow_ups), follow_ups.c.id.in_(page))
        await tx.execute(update(follow_ups).where(*where).values({column: value}))
