"""Erase a user: what names or re-identifies the person is deleted, waits end, and marks keep late reports away."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, delete, select, update

from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_ends
from connector.store.follow_ups.ending import end_partly_sent_of
from connector.store.follow_ups.follow_ups import is_launched
from connector.store.follow_ups.reached import forget_steps
from connector.store.follow_ups.renaming import find_settled, rename_erased
from connector.store.provider_events.events import erase_events
from connector.store.tables import (
    consent_changes,
    decisions,
    deliveries,
    follow_ups,
    inbox,
    inbox_marks,
    interactions,
    message_texts,
    receipts,
    user_aliases,
    users,
)
from connector.store.users.joins import erase_joins
from connector.store.users.marks import Address, make_pseudonym, mark_erased
from connector.store.users.suppressions import erase_addresses, find_reported_addresses
from connector.store.users.users import find_user_keys, load_ids, load_users

_ERASED = "erased"
"""What replaces the id of an interaction."""

_ERASED_TRIGGER: dict[str, Any] = {
    "kind": "event",
    "topic": _ERASED,
    "target": None,
    "target_kind": None,
    "properties": {},
}
EMPTY_DESCRIPTION: dict[str, Any] = {
    "email": None,
    "phone": None,
    "push_tokens": [],
    "time_zone": None,
    "first_name": None,
    "attributes": {},
    "consent": {},
    "said_at": {},
    "said_by": {},
    "newest_t": None,
}
"""What replaces the columns of a user's row."""
_DELETED = (consent_changes, interactions, message_texts, receipts, inbox, inbox_marks, user_aliases)


async def erase_user(tx: Transaction, external_id: str, now: datetime) -> str | None:
    """Erase a user for good; return the surrogate key, which no longer identifies a person; None if no user has the id.

    Waits end as `dropped: erased`; the outbox signals their workflows. Counts stay, under the surrogate key. Marks of
    all ids and addresses of the user stay, so that a late report is refused (guarantee 8).

    Args:
        tx: under the exclusive catalogue lock, so that nothing that was read before is written after; so it needs no
            other lock.
    """
    user_key = (await find_user_keys(tx, [external_id]))[0].get(external_id)
    if user_key is None:
        return None
    ids, addresses = await load_ids(tx, user_key), await _load_addresses(tx, user_key)
    await mark_erased(tx, ids, addresses, now)
    settled = await find_settled(tx, user_key, now)
    await _end_waits(tx, user_key, now)
    await rename_erased(tx, settled)
    await _empty_decisions(tx, user_key)
    await _replace_provider_ids(tx, user_key)
    for table in _DELETED:
        await tx.execute(delete(table).where(tx.in_workspace(table), table.c.user_key == user_key))
    await forget_steps(tx, user_key)
    await erase_joins(tx, user_key, ids)
    await erase_events(tx, ids, addresses)
    of_user = (tx.in_workspace(users), users.c.user_key == user_key)
    await tx.execute(update(users).where(*of_user).values(**EMPTY_DESCRIPTION))
    await erase_addresses(tx, user_key, addresses)
    return user_key


async def _load_addresses(tx: Transaction, user_key: str) -> set[Address]:
    """Return the addresses that the user has, and those that providers reported on when the user had them."""
    user = (await load_users(tx, [user_key]))[user_key].user
    current = {("email", user.email), ("sms", user.phone)}
    return {(channel, address) for channel, address in current if address} | await find_reported_addresses(tx, user_key)


async def _end_waits(tx: Transaction, user_key: str, now: datetime) -> None:
    """End the follow-ups that wait, and delete from all of them what they began with and what cancelled them."""
    await end_partly_sent_of(tx, user_key, Reason.ERASED, now)
    table = follow_ups.c
    of_user = (tx.in_workspace(follow_ups), table.user_key == user_key)
    ended = await tx.execute(
        update(follow_ups)
        .where(*of_user, table.state.in_([State.WAITING.value, State.HELD.value]))
        .values(state=State.DROPPED.value, reason=Reason.ERASED.value, decided_at=now, ended_outside=True)
        .returning(table.campaign)
    )
    count_ends(tx, ((campaign, State.DROPPED, Reason.ERASED) for campaign in ended.scalars()))
    # The trigger of a launch is the launch's, which finds the messages that are being sent by it.
    began = {"trigger": _ERASED_TRIGGER, "trigger_id": _ERASED}
    await tx.execute(update(follow_ups).where(*of_user, ~is_launched()).values(began))
    # Due times depend on the user's zone, and are spread by a hash of the user's id.
    next_at = case((table.state.in_(OPEN_STATES), table.next_at), else_=table.triggered_at)
    emptied = {"key": table.id, "exception_id": None, "due_at": table.triggered_at, "next_at": next_at}
    await tx.execute(update(follow_ups).where(*of_user).values(emptied))


async def _empty_decisions(tx: Transaction, user_key: str) -> None:
    where = (tx.in_workspace(decisions), decisions.c.user_key == user_key)
    await tx.execute(update(decisions).where(*where).values(key="", interaction_id=_ERASED))


async def _replace_provider_ids(tx: Transaction, user_key: str) -> None:
    """Replace providers' ids, which their logs lead to the person, by pseudonyms, which late reports still match."""
    table = deliveries.c
    has_id = (tx.in_workspace(deliveries), table.user_key == user_key, table.provider_id.is_not(None))
    found = await tx.execute(select(table.id, table.provider_id).where(*has_id))
    rows = [{"delivery": id, "new": await make_pseudonym(tx, provider_id or "")} for id, provider_id in found]
    if rows:
        is_one = (tx.in_workspace(deliveries), table.id == bindparam("delivery"))
        await tx.execute(update(deliveries).where(*is_one).values(provider_id=bindparam("new")), rows)
