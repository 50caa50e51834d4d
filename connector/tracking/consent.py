"""Unsubscribing by the token of a message: its user, from its channel."""

from __future__ import annotations

from contextlib import suppress

from connector.store.engine.database import Database, database_now
from connector.store.provider_events.events import save_statements
from connector.store.provider_events.tracked import find_deliveries
from connector.store.users.descriptions import merge_user
from connector.store.users.users import UserErased


async def unsubscribe(database: Database, workspace: str, delivery_id: str) -> bool:
    """Take the consent of the delivery's user to its channel back; returns whether there was such a user.

    Messages that wait already are judged by it at their due time. Doing it again changes nothing, and what a provider
    tells late of the time before does not overrule it.

    Raises:
        StoreUnavailable: nothing has changed.
    """
    async with database.write(workspace) as tx:
        delivery = (await find_deliveries(tx, [delivery_id])).get(delivery_id)
        if delivery is None:
            return False
        changes = {"consent": {delivery.channel: "unsubscribed"}}
        with suppress(UserErased):
            now = await database_now(tx)
            user_key = await merge_user(tx, delivery.user, changes, now)
            await save_statements(tx, user_key, delivery.channel, now)
            return True
        return False
