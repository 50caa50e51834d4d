"""Ending what waits in windows that were closed (P9)."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.reasons import Reason, State
from connector.store.database import database_now
from connector.store.sets import among
from connector.store.tables import follow_ups, publications

_CALLABLE_OFF = (State.WAITING.value, State.HELD.value)


async def end_page(c: AsyncConnection, workspace: str, campaigns: Collection[str], limit: int) -> int:
    """End at most `limit` follow-ups that wait in closed windows of these campaigns; returns how many it ended.

    What is going out finishes. The users' rows are locked by nobody here: the state is a guard in the update, and the
    claim looks at the window itself.
    """
    table = follow_ups.c
    closed = (
        select(publications.c.window_id)
        .where(
            publications.c.workspace == workspace,
            among(c, publications.c.id, campaigns),
            publications.c.closed_at.is_not(None),
        )
        .scalar_subquery()
    )
    waiting = (
        select(table.id)
        .where(
            table.workspace == workspace,
            among(c, table.campaign, campaigns),
            table.state.in_(_CALLABLE_OFF),
            table.window_id.in_(closed),
        )
        .limit(limit)
    )
    ended = (
        update(follow_ups)
        .where(table.workspace == workspace, table.id.in_(waiting), table.state.in_(_CALLABLE_OFF))
        .values(
            state=State.DROPPED.value,
            reason=Reason.STOPPED.value,
            decided_at=await database_now(c),
            ended_outside=True,
        )
    )
    return (await c.execute(ended)).rowcount
