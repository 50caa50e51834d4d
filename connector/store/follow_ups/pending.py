"""What the outbox has to do, as the rows say."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, select, update

from connector.rules.model.reasons import State
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.tables import follow_ups

_PAGE = 500


async def claim_to_start(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Waiting rows without a workflow, the oldest due first."""
    table = follow_ups.c
    statement = (
        select(table.id, table.campaign, table.user_key, table.due_at, table.channels)
        .where(tx.in_workspace(follow_ups), table.started_at.is_(None), table.state == State.WAITING.value)
        .order_by(table.due_at)
        .limit(limit)
    )
    return (await tx.execute(statement)).mappings().all()


async def claim_to_signal(tx: Transaction, limit: int) -> Sequence[RowMapping]:
    """Rows that ended from outside while their workflow runs and has not been told, the oldest end first."""
    table = follow_ups.c
    statement = (
        select(table.id, table.campaign, table.user_key, table.state, table.reason)
        .where(
            tx.in_workspace(follow_ups),
            table.ended_outside,
            table.started_at.is_not(None),
            table.signalled_at.is_(None),
        )
        .order_by(table.decided_at)
        .limit(limit)
    )
    return (await tx.execute(statement)).mappings().all()


async def mark_started(tx: Transaction, ids: Sequence[str]) -> None:
    """Their workflows run; those that have ended meanwhile are now to be signalled."""
    await _mark(tx, ids, "started_at")


async def mark_signalled(tx: Transaction, ids: Sequence[str]) -> None:
    """Their workflows know, or have ended by themselves."""
    await _mark(tx, ids, "signalled_at")


async def _mark(tx: Transaction, ids: Sequence[str], column: str) -> None:
    now = await database_now(tx)
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        where = (tx.in_workspace(follow_ups), follow_ups.c.id.in_(page))
        if tx.dialect == "postgresql":
            # The users are not locked here: what another transaction holds is left to the next sweep, not waited for.
            free = select(follow_ups.c.id).where(*where).with_for_update(skip_locked=True)
            page = list((await tx.execute(free)).scalars())
            where = (tx.in_workspace(follow_ups), follow_ups.c.id.in_(page))
        await tx.execute(update(follow_ups).where(*where).values({column: now}))
