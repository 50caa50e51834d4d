"""Erase a user: the description is deleted, waits end, and a hash of each id keeps late reports from undoing it."""

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
from connector.store.users.joins import erase_joins
from connector.store.users.suppressions import erase_addresses
from connector.store.users.users import erased_id, find_user_keys, load_ids, load_users, lock_users

_ERASED_TRIGGER: dict[str, Any] = {
    "kind": "event",
    "topic": "erased",
    "target": None,
    "target_kind": None,
    "properties": {},
}
_EMPTY_DESCRIPTION: dict[str, Any] = {
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
    """Erase a user for good; return whether there was one (guarantee 8).

    Waits end as `dropped: erased`; the outbox signals their workflows. Counts stay, under a surrogate key that names
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
    of_user = (tx.in_workspace(follow_ups), table.user_key == user_key)
    await tx.execute(update(follow_ups).where(*of_user).values(trigger=_ERASED_TRIGGER, key=table.id))
    log = interactions.c
    await tx.execute(delete(interactions).where(tx.in_workspace(interactions), log.user_key == user_key))
    await erase_inbox(tx, user_key)
    ids = await load_ids(tx, user_key)
    described = (await load_users(tx, [user_key]))[user_key].user
    addresses = {"email": described.email, "sms": described.phone}
    await erase_events(tx, ids, addresses)
    await tx.execute(
        update(users).where(tx.in_workspace(users), users.c.user_key == user_key).values(**_EMPTY_DESCRIPTION)
    )
    await erase_addresses(tx, user_key, addresses)
    await erase_joins(tx, user_key, ids)
    await _replace_ids(tx, ids)
    return True


async def _lock_known(tx: Transaction, external_id: str) -> str | None:
    """Lock the user's row and return the surrogate key; None if nobody is known by that id, or not any more."""
    known, _ = await find_user_keys(tx, [external_id])
    if not await lock_users(tx, known.values()):
        return await _lock_known(tx, external_id)
    known, _ = await find_user_keys(tx, [external_id])  # another transaction may have erased the user meanwhile
    return known.get(external_id)


async def _replace_ids(tx: Transaction, ids: Sequence[str]) -> None:
    """Replace each of these ids by its hash."""
    alias = user_aliases.c
    statement = (
        update(user_aliases)
        .where(tx.in_workspace(user_aliases), alias.external_id == bindparam("id"))
        .values(external_id=bindparam("hash"))
    )
    await tx.execute(statement, [{"id": id, "hash": erased_id(id)} for id in ids])
