"""Erasing a user: what describes them goes, what waits for them ends, and a mark keeps them from coming back."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.reasons import Reason, State
from connector.store.inbox import erase_inbox
from connector.store.provider_reports import erase_reports
from connector.store.tables import follow_ups, interactions, user_aliases, users
from connector.store.users import find_user, lock_user, mark_of_erased

_NOTHING: dict[str, Any] = {"kind": "event", "topic": "erased", "target": None, "target_kind": None, "properties": {}}
_BLANK: dict[str, Any] = {
    "email": None,
    "phone": None,
    "push_tokens": [],
    "time_zone": None,
    "first_name": None,
    "attributes": {},
    "consent": {},
    "unreachable": {},
}


async def erase_user(c: AsyncConnection, workspace: str, external_id: str, now: datetime) -> bool:
    """Erase a user for good; returns whether there was one (guarantee 8).

    Waits end as `dropped: erased`; the outbox tells their workflows. Counts stay, under a surrogate key that leads to
    nobody. The hash of the id stays, so that a late report is refused.
    """
    stored = await find_user(c, workspace, external_id)
    if stored is None:
        return False
    await lock_user(c, workspace, stored.user_key)
    table, user_key = follow_ups.c, stored.user_key
    await c.execute(
        update(follow_ups)
        .where(table.workspace == workspace, table.user_key == user_key)
        .where(table.state.in_([State.WAITING.value, State.HELD.value]))
        .values(state=State.DROPPED.value, reason=Reason.ERASED.value, decided_at=now, ended_outside=True)
    )
    theirs = (table.workspace == workspace, table.user_key == user_key)
    await c.execute(update(follow_ups).where(*theirs).values(trigger=_NOTHING, key=table.id))
    log = interactions.c
    await c.execute(delete(interactions).where(log.workspace == workspace, log.user_key == user_key))
    await erase_inbox(c, workspace, user_key)
    await erase_reports(c, workspace, external_id, {"email": stored.user.email, "sms": stored.user.phone})
    await c.execute(update(users).where(users.c.workspace == workspace, users.c.user_key == user_key).values(**_BLANK))
    alias = user_aliases.c
    await c.execute(
        update(user_aliases)
        .where(alias.workspace == workspace, alias.external_id == external_id)
        .values(external_id=mark_of_erased(external_id))
    )
    return True
