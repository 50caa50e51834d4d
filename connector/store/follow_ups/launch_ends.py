"""Launches whose workflows may have been closed by hand, and the end of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import exists, or_, select, update

from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import LaunchRow, launch_from, still_open
from connector.store.tables import follow_ups, launches


async def find_unfinished(tx: Transaction) -> Sequence[LaunchRow]:
    """Launches whose workflows were started: those that have not ended, and those that ended with rows left open."""
    left_open = exists().where(
        follow_ups.c.workspace == launches.c.workspace,
        follow_ups.c.campaign == launches.c.campaign,
        follow_ups.c.trigger_id == launches.c.launch_id,
        still_open(),
    )
    statement = (
        select(launches)
        .where(tx.in_workspace(launches), launches.c.started_at.is_not(None))
        .where(or_(launches.c.ended_at.is_(None), left_open))
        .order_by(launches.c.published_at)
    )
    return [launch_from(row) for row in (await tx.execute(statement)).mappings()]


async def end_launch(tx: Transaction, launch: str, at: datetime) -> None:
    """It is over (at, UTC): no worker goes on with it, and no order brings it back."""
    where = (tx.in_workspace(launches), launches.c.launch_id == launch, launches.c.ended_at.is_(None))
    await tx.execute(update(launches).where(*where).values(ended_at=at))
