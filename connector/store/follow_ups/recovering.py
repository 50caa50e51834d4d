"""Rows that differ from Temporal, because one of the two was restored from an older backup."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import RowMapping, select, tuple_, update

from connector.rules.model.reasons import OPEN_STATES, State
from connector.rules.sending.deliveries import newest_by_channel
from connector.rules.sending.recovering import CompletedWorkflow, end_as_completed
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction, clock
from connector.store.follow_ups.deliveries import load_deliveries_by_follow_up, write_deliveries
from connector.store.follow_ups.follow_ups import end_follow_ups, follow_up_from_row, is_launched
from connector.store.follow_ups.receipts import receipt_key, save_receipts
from connector.store.tables import follow_ups, launches
from connector.store.users.users import lock_users

Place = tuple[datetime, str]
"""The position of a row among those that wait: (next_at, id)."""


async def find_started(
    tx: Transaction, late: timedelta, limit: int, *, is_overdue: bool = False, after: Place | None = None
) -> Sequence[RowMapping]:
    """Return open follow-ups whose workflows were started `late` ago or earlier, ordered by the time they wait for.

    Args:
        is_overdue: only those whose time has passed by as much.
        after: where the previous page ended; None: from the beginning.
    """
    table = follow_ups.c
    statement = (
        select(table.id, table.campaign, table.user_key, table.next_at, table.state, table.dispatched_at, table.resends)
        .where(
            tx.in_workspace(follow_ups),
            table.state.in_(OPEN_STATES),
            table.started_at <= clock(tx, ahead=-late),
            ~is_launched(),  # these have no workflow of their own
        )
        .order_by(table.next_at, table.id)
        .limit(limit)
    )
    if is_overdue:
        statement = statement.where(table.next_at <= clock(tx, ahead=-late))
    if after is not None:
        statement = statement.where(tuple_(table.next_at, table.id) > after)
    return (await tx.execute(statement)).mappings().all()


async def find_states(tx: Transaction, ids: Collection[str], before: datetime) -> dict[str, bool]:
    """Return for each of these follow-ups that the store has whether it had ended before an instant (UTC)."""
    table = follow_ups.c
    found = select(table.id, table.state, table.decided_at).where(
        tx.in_workspace(follow_ups), in_set(tx, table.id, ids)
    )
    return {
        row.id: row.state not in OPEN_STATES and row.decided_at is not None and row.decided_at < before
        for row in await tx.execute(found)
    }


async def end_completed(tx: Transaction, completed: Mapping[str, CompletedWorkflow], now: datetime) -> dict[str, State]:
    """End those of these follow-ups that are still open as their workflows did; return their states by id.

    The users are locked first, in sorted order (guarantee 3).
    """
    rows = await _lock_open(tx, completed)
    by_follow_up = await load_deliveries_by_follow_up(tx, [row["id"] for row in rows])
    recoveries = []
    for row in rows:
        stored = newest_by_channel(by_follow_up.get(row["id"], ()))
        recoveries.append(end_as_completed(follow_up_from_row(row), stored, completed[row["id"]], now))
    await write_deliveries(tx, [written for one in recoveries for written in one.deliveries])
    await save_receipts(tx, {receipt_key(one.follow_up): one.received_at for one in recoveries if one.received_at})
    await end_follow_ups(tx, [one.follow_up for one in recoveries], workflow_closed=True)
    return {one.follow_up.id: one.follow_up.state for one in recoveries}


async def forget_starts(tx: Transaction, ids: Collection[str]) -> int:
    """Have the outbox start the workflows of these follow-ups again, which Temporal no longer has; return how many.

    A message that was claimed before is not sent again: its new workflow records it as `send_unknown` (guarantee 4).
    """
    rows = await _lock_open(tx, ids)
    if rows:
        values = {"started_at": None, "state": State.WAITING.value}
        open_ids = [row["id"] for row in rows]
        where = (tx.in_workspace(follow_ups), in_set(tx, follow_ups.c.id, open_ids))
        await tx.execute(update(follow_ups).where(*where).values(values))
    return len(rows)


async def forget_launch_start(tx: Transaction, launch_id: str, late: timedelta) -> bool:
    """Have the outbox start a launch's workflow again, which goes on where the store says; return whether it will."""
    table = launches.c
    where = (tx.in_workspace(launches), table.launch_id == launch_id, table.ended_at.is_(None))
    lost = update(launches).where(*where, table.started_at < clock(tx, ahead=-late))
    changed = await tx.execute(lost.values(started_at=None, told_in=table.changed_in - 1))
    return changed.rowcount > 0


async def _lock_open(tx: Transaction, ids: Collection[str]) -> Sequence[RowMapping]:
    """Lock the users of those of these follow-ups that are open, and return the rows."""
    where = (tx.in_workspace(follow_ups), in_set(tx, follow_ups.c.id, ids), follow_ups.c.state.in_(OPEN_STATES))
    await lock_users(tx, set((await tx.execute(select(follow_ups.c.user_key).where(*where))).scalars()))
    return (await tx.execute(select(follow_ups).where(*where))).mappings().all()
