"""New ids for the follow-ups of erased users: the ids are hashes, against which a guess could be tested (guarantee 8).

An id is made of the surrogate key, the key and the trigger's id, and an item that was reported without an id has one
that is made of the user's. So whoever reads the database could find out which rows are a certain person's.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from uuid import uuid4

from sqlalchemy import String, and_, bindparam, func, or_, select, update

from connector.rules.model.reasons import OPEN_STATES
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, follow_ups

_START_TIMEOUT = timedelta(minutes=5)
"""By then a start that was on its way when the follow-up ended has succeeded, and is marked, or has failed."""


async def find_settled(tx: Transaction, user_key: str, now: datetime) -> list[str]:
    """Return the user's follow-ups that have ended, and of whose ids Temporal needs to hear nothing more."""
    table = follow_ups.c
    is_known = and_(table.started_at.is_not(None), or_(~table.ended_outside, table.signalled_at.is_not(None)))
    is_never_started = and_(table.started_at.is_(None), table.decided_at < now - _START_TIMEOUT)
    of_user = (tx.in_workspace(follow_ups), table.user_key == user_key, table.state.not_in(OPEN_STATES))
    return list((await tx.execute(select(table.id).where(*of_user, or_(is_known, is_never_started)))).scalars())


async def rename_erased(tx: Transaction, ids: Collection[str]) -> None:
    """Give these follow-ups of erased users random ids, and their deliveries with them. Nothing else has the ids."""
    if not ids:
        return
    rows = [{"old": id, "new": uuid4().hex[: len(id)]} for id in sorted(ids)]
    message, table, new = deliveries.c, follow_ups.c, bindparam("new", type_=String())
    of_old = (tx.in_workspace(deliveries), message.follow_up_id == bindparam("old"))
    suffix = func.substr(message.id, func.length(message.follow_up_id) + 1)  # the channel, and the number of a resend
    named = {"id": new + suffix, "follow_up_id": new}
    await tx.execute(update(deliveries).where(*of_old).values(named), rows)
    where = (tx.in_workspace(follow_ups), table.id == bindparam("old"))
    await tx.execute(update(follow_ups).where(*where).values(id=new, key=new), rows)
