"""The counts of follow-ups and refusals by campaign, state and reason: exact, and as cheap to read with a million rows.

Triggers of the database keep them (migration 0021), whatever writes: no statement of ingest or of a send is about them.
On SQLite a trigger changes the count in slot 0, for there is one writer at a time. On PostgreSQL every statement that
begins, ends, corrects or deletes rows adds its difference in a slot of its own, so that transactions never wait for
each other here; a count is the sum over its slots, and `fold_counts` adds them up in slot 0. No trigger sees a day of
refusals that is dropped: the cleanup subtracts it, and once a run it compares the counts of refusals with the rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import Sequence as DatabaseSequence
from sqlalchemy import Table, delete, func, insert, literal, select, tuple_, union_all
from sqlalchemy.dialects import postgresql

from connector.rules.model.reasons import NOTED, State
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import count_slots, decisions, follow_up_counts

FOLDED_AT_ONCE = 10_000
"""How many differences one fold adds up."""


@dataclass(frozen=True)
class Count:
    """The number of follow-ups or refusals of a campaign in one state for one reason."""

    campaign: str
    state: str
    reason: str | None
    count: int


async def load_counts(
    tx: Transaction, campaigns: Collection[str] | None = None, *, states: Collection[State] = ()
) -> list[Count]:
    """Return the numbers of follow-ups, refusals and noted late exceptions, by campaign, state and reason.

    Args:
        campaigns: of these only; None: of all.
        states: in these states only; empty: in all.
    """
    table = follow_up_counts.c
    group = (table.campaign, table.state, table.reason)
    number = func.sum(table.count)
    statement = (
        select(*group, number)
        .where(tx.in_workspace(follow_up_counts))
        .group_by(*group)
        .having(number != 0)
        .order_by(*group)
    )
    if campaigns is not None:
        statement = statement.where(in_set(tx, table.campaign, campaigns))
    if states:
        statement = statement.where(table.state.in_([state.value for state in states]))
    rows = await tx.execute(statement)
    return [Count(campaign, state, reason or None, int(count)) for campaign, state, reason, count in rows]


async def fold_counts(tx: Transaction) -> int:
    """Add the differences of PostgreSQL's statements up in slot 0, and return how many there were."""
    if tx.dialect == "sqlite":
        return 0
    table = follow_up_counts.c
    key = [table.workspace, table.campaign, table.state, table.reason]
    some = (
        select(*key, table.slot)
        .where(tx.in_workspace(follow_up_counts), table.slot != literal(0, literal_execute=True))
        .limit(FOLDED_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    gone = delete(follow_up_counts).where(tuple_(*key, table.slot).in_(some))
    found = gone.returning(*key, table.count).cte("gone")
    parts = [found.c[column.name] for column in key]
    sums = select(*parts, literal(0), func.sum(found.c.count)).group_by(*parts).order_by(*parts)
    added = postgresql.insert(follow_up_counts).from_select([*(c.name for c in key), "slot", "count"], sums)
    number = select(func.count()).select_from(found)
    return int((await tx.execute(number.add_cte(_adding(added).returning(literal(1)).cte("folded")))).scalar_one())


async def subtract_rows(tx: Transaction, past: Table) -> None:
    """Subtract all refusals of a partition that is about to be dropped, of every workspace: no trigger sees that."""
    key = [past.c.workspace, past.c.campaign, past.c.state, past.c.reason]
    rows = select(*key, (-func.count()).label("count")).group_by(*key).subquery()
    slot = DatabaseSequence(count_slots.name).next_value()
    subtracted = select(*rows.c, slot)
    columns = ["workspace", "campaign", "state", "reason", "count", "slot"]
    await tx.execute(insert(follow_up_counts).from_select(columns, subtracted))


async def recount_refusals(tx: Transaction) -> None:
    """Put right what the counts of refusals and late exceptions differ in from the rows.

    So they become exact again after an earlier program has dropped days without subtracting them, in an upgrade. Rows
    and counts are read by one statement, as of one moment, and only the differences are added: no writer has to wait.

    Args:
        tx: on PostgreSQL, and under a lock that keeps others from doing the same at once.
    """
    kept, late = follow_up_counts.c, decisions.c
    rows = select(late.campaign, late.state, late.reason, func.count().label("number")).where(
        tx.in_workspace(decisions)
    )
    counted = select(kept.campaign, kept.state, kept.reason, (-func.sum(kept.count)).label("number")).where(
        tx.in_workspace(follow_up_counts), kept.state.in_((State.REFUSED.value, NOTED))
    )
    both = union_all(
        rows.group_by(late.campaign, late.state, late.reason),
        counted.group_by(kept.campaign, kept.state, kept.reason),
    ).subquery()
    key, number = (both.c.campaign, both.c.state, both.c.reason), func.sum(both.c.number)
    wrong = await tx.execute(select(*key, number.label("count")).group_by(*key).having(number != 0).order_by(*key))
    differences = [{**row, "workspace": tx.workspace, "slot": 0} for row in wrong.mappings()]
    if differences:
        await tx.execute(_adding(postgresql.insert(follow_up_counts)), differences)


def _adding(inserted: postgresql.Insert) -> postgresql.Insert:
    """Return an INSERT that adds to the counts that are there."""
    return inserted.on_conflict_do_update(
        index_elements=list(follow_up_counts.primary_key.columns),
        set_={"count": follow_up_counts.c.count + inserted.excluded["count"]},
    )
