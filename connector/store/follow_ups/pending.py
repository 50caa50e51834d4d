"""What the outbox has to do, as the rows say."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.model.reasons import State
from connector.store.engine.database import database_now
from connector.store.tables import follow_ups

_PAGE = 500


async def claim_to_start(c: AsyncConnection, workspace: str, limit: int) -> Sequence[RowMapping]:
    """Waiting rows without a workflow, the oldest due first."""
    table = follow_ups.c
    statement = (
        select(table.id, table.campaign, table.user_key, table.due_at, table.channels)
        .where(table.workspace == workspace, table.started_at.is_(None), table.state == State.WAITING.value)
        .order_by(table.due_at)
        .limit(limit)
    )
    return (await c.execute(statement)).mappings().all()


async def claim_to_signal(c: AsyncConnection, workspace: str, limit: int) -> Sequence[RowMapping]:
    """Rows that ended from outside while their workflow runs and has not been told, the oldest end first."""
    table = follow_ups.c
    statement = (
        select(table.id, table.campaign, table.user_key, table.state, table.reason)
        .where(
            table.workspace == workspace,
            table.ended_outside,
            table.started_at.is_not(None),
            table.signalled_at.is_(None),
        )
        .order_by(table.decided_at)
        .limit(limit)
    )
    return (await c.execute(statement)).mappings().all()


async def mark_started(c: AsyncConnection, workspace: str, ids: Sequence[str]) -> None:
    """Their workflows run; those that have ended meanwhile are now to be signalled."""
    await _mark(c, workspace, ids, "started_at")


async def mark_signalled(c: AsyncConnection, workspace: str, ids: Sequence[str]) -> None:
    """Their workflows know, or have ended by themselves."""
    await _mark(c, workspace, ids, "signalled_at")


async def _mark(c: AsyncConnection, workspace: str, ids: Sequence[str], column: str) -> None:
    now = await database_now(c)
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        where = (follow_ups.c.workspace == workspace, follow_ups.c.id.in_(page))
        if c.dialect.name == "postgresql":
            # The users are not locked here: what another transaction holds is left to the next sweep, not waited for.
            free = select(follow_ups.c.id).where(*where).with_for_update(skip_locked=True)
            page = list((await c.execute(free)).scalars())
            where = (follow_ups.c.workspace == workspace, follow_ups.c.id.in_(page))
        await c.execute(update(follow_ups).where(*where).values({column: now}))
