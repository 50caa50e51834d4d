"""Ending what waits in windows that were closed (P9)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from connector.rules.model.reasons import Reason, State
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import only_paused
from connector.store.tables import follow_ups, publications
from connector.store.users.users import lock_users

_CALLABLE_OFF = (State.WAITING.value, State.HELD.value)


@dataclass(frozen=True)
class StoppingPage:
    """How many follow-ups one step looked at, and how many of them it ended."""

    seen: int
    ended: int


async def end_page(tx: Transaction, campaigns: Collection[str], limit: int) -> StoppingPage:
    """End at most `limit` follow-ups that wait in closed windows, as of the instant at which their window closed.

    What is going out finishes, also where its other channels are held; what a launch sends ends only when its campaign
    is archived. The users are locked first, in sorted order, as intake and send do (guarantee 3).

    Args:
        campaigns: whose windows; empty: those of the whole workspace.
    """
    waiting = await _find_waiting(tx, campaigns, limit)
    await lock_users(tx, {row.user_key for row in waiting})
    closed_at = select(publications.c.closed_at).where(publications.c.window_id == follow_ups.c.window_id)
    ended = await tx.execute(
        update(follow_ups)
        .where(tx.in_workspace(follow_ups), in_set(tx, follow_ups.c.id, [row.id for row in waiting]))
        .where(follow_ups.c.state.in_(_CALLABLE_OFF), follow_ups.c.dispatched_at.is_(None))
        .values(
            state=State.DROPPED.value,
            reason=Reason.STOPPED.value,
            decided_at=closed_at.scalar_subquery(),
            ended_outside=True,
        )
    )
    return StoppingPage(seen=len(waiting), ended=ended.rowcount)


async def _find_waiting(tx: Transaction, campaigns: Collection[str], limit: int) -> Sequence[Row[Any, Any]]:
    statement = (
        select(follow_ups.c.id, follow_ups.c.user_key)
        .join(publications, publications.c.window_id == follow_ups.c.window_id)
        .where(tx.in_workspace(follow_ups), follow_ups.c.state.in_(_CALLABLE_OFF))
        .where(publications.c.closed_at.is_not(None), follow_ups.c.dispatched_at.is_(None), ~only_paused())
        .limit(limit)
    )
    if campaigns:
        statement = statement.where(in_set(tx, follow_ups.c.campaign, campaigns))
    return (await tx.execute(statement)).all()
