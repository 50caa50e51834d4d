"""The deletions of rows: in small batches, by an index over an instant, so that each batch costs what it deletes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    MetaData,
    Select,
    Table,
    and_,
    delete,
    func,
    literal_column,
    select,
    tuple_,
)

from connector.rules.model.reasons import NOTED, State
from connector.store.cleanup import expired
from connector.store.cleanup.horizons import Horizons
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import (
    assignments,
    decisions,
    deliveries,
    follow_ups,
    heeded_reports,
    inbox,
    inbox_marks,
    interactions,
    message_texts,
    reached_users,
    receipts,
    unmatched_reports,
)

Counts = Counter[str]
"""Numbers of rows by table."""

Condition = Callable[[Transaction, FromClause, Horizons], ColumnElement[bool]]

NEEDED: Mapping[str, Condition] = {
    interactions.name: expired.needed_items,
    decisions.name: expired.needed_decisions,
}
"""The conditions of the rows of past days that are still needed, by table."""

_OF_FOLLOW_UP = and_(deliveries.c.workspace == follow_ups.c.workspace, deliveries.c.follow_up_id == follow_ups.c.id)
_OF_MESSAGE = and_(
    inbox_marks.c.workspace == inbox.c.workspace,
    inbox_marks.c.user_key == inbox.c.user_key,
    inbox_marks.c.message == inbox.c.id,
)

BEGINNING = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class Deletion:
    """The past rows of one table, in the order of an instant.

    Args:
        name: the table as it is reported: a partition counts as its table.
        table: where the rows are.
        column: the instant, one that an index leads to, at or before the one by which rows are past; None: there is
            none, and rows are deleted in any order.
        until: which rows of the table it concerns: those with an earlier instant (UTC).
        is_past: which of them are deleted.
        state: only rows in this state; None: the table has no states, or all.
        delete: deletes the rows that meet a condition, with those that belong to them; None: nothing does.
        belonging: the table of what belongs to the rows, and the condition that it does.
    """

    name: str
    table: Table
    column: str | None
    until: datetime
    is_past: Condition
    state: str | None = None
    delete: Callable[[Transaction, ColumnElement[bool]], Awaitable[Counts]] | None = None
    belonging: tuple[Table, ColumnElement[bool]] | None = None

    def condition(self, tx: Transaction, horizons: Horizons) -> ColumnElement[bool]:
        """Return the condition of the rows that are past."""
        condition = self.is_past(tx, self.table, horizons)
        return condition if self.state is None else and_(self.table.c.state == self.state, condition)


def plan_deletions(horizons: Horizons, *, with_daily: bool) -> list[Deletion]:
    """Return all deletions of rows, what names others before what is named.

    Args:
        with_daily: also the log and the decisions, which on PostgreSQL are dropped by the day (`log_partitions`).
    """
    states = [(state, horizons.log) for state in expired.SENT_NOTHING]
    states += [(state, horizons.sent) for state in expired.WENT_OUT]
    deletions = [
        Deletion(
            "follow_ups",
            follow_ups,
            "triggered_at",
            until,
            expired.past_follow_ups,
            state,
            _delete_follow_ups,
            (deliveries, _OF_FOLLOW_UP),
        )
        for state, until in states
    ]
    deletions += [
        Deletion(
            "inbox",
            inbox,
            "expires_at",
            horizons.log,
            expired.past_inbox,
            None,
            _delete_messages,
            (inbox_marks, _OF_MESSAGE),
        ),
        Deletion("message_texts", message_texts, "expires_at", horizons.now, expired.past_texts),
        Deletion("unmatched_reports", unmatched_reports, "received_at", horizons.log, expired.past_unmatched),
        Deletion("heeded_reports", heeded_reports, "received_at", horizons.log, expired.past_applied),
        Deletion("receipts", receipts, None, horizons.sent, expired.of_archived),
        Deletion("assignments", assignments, None, horizons.sent, expired.of_archived),
        Deletion("reached_users", reached_users, None, horizons.sent, expired.of_archived),
    ]
    daily = (interactions, decisions) if with_daily else ()
    return [*deletions, *(one for table in daily for one in daily_deletions(table, horizons))]


def daily_deletions(table: Table, horizons: Horizons, partition: str | None = None) -> list[Deletion]:
    """Return the deletions of past rows of the log or the decisions, in one partition or, on SQLite, in the table."""
    place = table if partition is None else table.to_metadata(MetaData(), name=partition)
    if table is interactions:
        return [Deletion(table.name, place, "received_at", horizons.log, expired.past_items)]
    states = (State.REFUSED.value, NOTED)
    return [Deletion(table.name, place, "t", horizons.log, expired.past_decisions, state) for state in states]


async def count_past(tx: Transaction, deletion: Deletion, horizons: Horizons) -> Counts:
    """Count the rows that a deletion would delete, with those that belong to them."""
    condition = deletion.condition(tx, horizons)
    statement = select(func.count()).select_from(deletion.table).where(condition)
    counts = Counts({deletion.name: (await tx.execute(statement)).scalar_one()})
    if deletion.belonging is not None:
        table, belongs = deletion.belonging
        statement = select(func.count()).select_from(table).join(deletion.table, belongs).where(condition)
        counts[table.name] = (await tx.execute(statement)).scalar_one()
    return counts


async def delete_batch(
    tx: Transaction, deletion: Deletion, horizons: Horizons, since: datetime, limit: int
) -> tuple[Counts, datetime | None]:
    """Delete past rows with an instant from `since` on; return their numbers, and where the next batch begins.

    Args:
        limit: how many rows to look at, unless more have the same instant.

    Returns:
        None as the second value: there are no further ones.
    """
    condition = deletion.condition(tx, horizons)
    if deletion.column is None:
        deleted = await _delete_some(tx, deletion.table, condition, limit)
        return Counts({deletion.name: deleted}), since if deleted == limit else None
    until = await _end_of_batch(tx, deletion, since, limit)
    column = deletion.table.c[deletion.column]
    condition = and_(condition, column >= since, column < (until or deletion.until))
    if deletion.delete is not None:
        return await deletion.delete(tx, condition), until
    deleted = (await tx.execute(delete(deletion.table).where(condition))).rowcount
    return Counts({deletion.name: deleted}), until


async def _end_of_batch(tx: Transaction, deletion: Deletion, since: datetime, limit: int) -> datetime | None:
    """Return the instant of the first row after a batch; None: the batch reaches the end."""
    table, column = deletion.table, deletion.table.c[deletion.column or ""]
    of_state = [] if deletion.state is None else [table.c.state == deletion.state]
    rows = select(column).where(tx.in_workspace(table), *of_state, column < deletion.until).order_by(column)
    end: datetime | None = (await tx.execute(rows.where(column >= since).offset(limit).limit(1))).scalar_one_or_none()
    if end is None or end > since:
        return end
    # More rows than a batch have this very instant.
    return (await tx.execute(rows.where(column > since).limit(1))).scalar_one_or_none()


async def _delete_some(tx: Transaction, table: Table, condition: ColumnElement[bool], limit: int) -> int:
    is_postgresql = tx.dialect == "postgresql"
    key: Sequence[ColumnElement[Any]] = (
        [literal_column(f"{table.name}.ctid")] if is_postgresql else list(table.primary_key.columns)
    )
    found: Select[Any] = select(*key).select_from(table).where(condition).limit(limit).correlate(None)
    of_batch = key[0].in_(found.scalar_subquery()) if is_postgresql else tuple_(*key).in_(found)
    return (await tx.execute(delete(table).where(of_batch))).rowcount


async def _delete_follow_ups(tx: Transaction, condition: ColumnElement[bool]) -> Counts:
    """Delete follow-ups with their deliveries; one that another transaction holds is left to the next run."""
    found = select(follow_ups.c.id).where(condition).with_for_update(skip_locked=True)
    ids = list((await tx.execute(found)).scalars())
    if not ids:
        return Counts()
    counts = Counts()
    for table, column in ((deliveries, deliveries.c.follow_up_id), (follow_ups, follow_ups.c.id)):
        counts[table.name] = (
            await tx.execute(delete(table).where(tx.in_workspace(table), in_set(tx, column, ids)))
        ).rowcount
    return counts


async def _delete_messages(tx: Transaction, condition: ColumnElement[bool]) -> Counts:
    """Delete messages of the inbox with what their users did with them."""
    found = (await tx.execute(select(inbox.c.user_key, inbox.c.id).where(condition))).all()
    if not found:
        return Counts()
    keys, ids = {key for key, _ in found}, {id for _, id in found}
    own = (in_set(tx, inbox_marks.c.user_key, keys), in_set(tx, inbox_marks.c.message, ids))
    marks = (await tx.execute(delete(inbox_marks).where(tx.in_workspace(inbox_marks), *own))).rowcount
    messages = (await tx.execute(delete(inbox).where(condition))).rowcount
    return Counts({"inbox": messages, "inbox_marks": marks})
