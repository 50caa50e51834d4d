"""Erasing a user: what describes them goes, what waits for them ends, and a mark keeps them from coming back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, update

from connector.rules.model.reasons import Reason, State
from connector.store.engine.transaction import Transaction
from connector.store.provider_events.events import erase_events
from connector.store.tables import follow_ups, interactions, user_aliases, users
from connector.store.users.inbox import erase_inbox
from connector.store.users.suppressions import erase_addresses
from connector.store.users.users import ids_of, load_users, lock_users, look_up, mark_of_erased

_NOTHING: dict[str, Any] = {"kind": "event", "topic": "erased", "target": None, "target_kind": None, "properties": {}}
_BLANK: dict[str, Any] = {
    "email": None,
    "phone": None,
    "push_tokens": [],
    "time_zone": None,
    "first_name": None,
    "attributes": {},
    "consent": {},
    "said_at": {},
}


async def erase_user(tx: Transaction, external_id: str, now: datetime) -> bool:
    """Erase a user for good; returns whether there was one (guarantee 8).

    Waits end as `dropped: erased`; the outbox tells their workflows. Counts stay, under a surrogate key that leads to
    nobody. The hashes of all ids of the user stay, so that a late report is refused.
    """
    user_key = await _lock_known(tx, external_id)
    if user_key is None:
        return False
    table = follow_ups.c
    await tx.execute(
        update(follow_ups)
        .where(tx.in_workspace(follow_ups), table.user_key == user_key)
        .where(table.state.in_([State.WAITING.value, State.HELD.value]))
        .values(state=State.DROPPED.value, reason=Reason.ERASED.value, decided_at=now, ended_outside=True)
    )
    theirs = (tx.in_workspace(follow_ups), table.user_key == user_key)
    await tx.execute(update(follow_ups).where(*theirs).values(trigger=_NOTHING, key=table.id))
    log = interactions.c
    await tx.execute(delete(interactions).where(tx.in_workspace(interactions), log.user_key == user_key))
    await erase_inbox(tx, user_key)
    ids = await ids_of(tx, user_key)
    described = (await load_users(tx, [user_key]))[user_key].user
    addresses = {"email": described.email, "sms": described.phone}
    await erase_events(tx, ids, addresses)
    await tx.execute(update(users).where(tx.in_workspace(users), users.c.user_key == user_key).values(**_BLANK))
    await erase_addresses(tx, user_key, addresses)
    await _mark(tx, ids)
    return True


async def _lock_known(tx: Transaction, external_id: str) -> str | None:
    """The user's key, with the row locked; None where nobody, or nobody any more, is known by that id."""
    known, _ = await look_up(tx, [external_id])
    if not await lock_users(tx, known.values()):
        return await _lock_known(tx, external_id)
    known, _ = await look_up(tx, [external_id])  # somebody else may have erased the user meanwhile
    return known.get(external_id)


async def _mark(tx: Transaction, ids: Sequence[str]) -> None:
    """Leave of each of these ids its mark, so that none of them brings the user back."""
    alias = user_aliases.c
    statement = (
        update(user_aliases)
        .where(tx.in_workspace(user_aliases), alias.external_id == bindparam("told"))
        .values(external_id=bindparam("mark"))
    )
    await tx.execute(statement, [{"told": id, "mark": mark_of_erased(id)} for id in ids])
