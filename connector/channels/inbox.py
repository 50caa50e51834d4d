"""In-app messages and cards: put into the user's inbox, where client apps find them (`starter/api/routes/inbox.py`)."""

from __future__ import annotations

from typing import cast

from connector.channels.protocol import Accepted, Channel, OutgoingMessage, Rejected, TryLater
from connector.rules.model.inbox import InboxKind, message_id
from connector.settings.inbox import InboxSettings
from connector.store.engine.database import Database, StoreUnavailable, database_now
from connector.store.users.inbox import InboxMessage, put_message
from connector.store.users.users import find_user, lock_user


class InboxChannel:
    """The channels `in_app_message`, `content_card` and `news_feed_card` of one workspace.

    Args:
        show: also given each message, where a developer wants to see them.
    """

    def __init__(
        self, database: Database, workspace: str, settings: InboxSettings, *, show: Channel | None = None
    ) -> None:
        self._database, self._workspace, self._settings, self._show = database, workspace, settings, show

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Put the message into the inbox, once, however often it is handed over.

        Raises:
            Rejected: `erased`: the user is no longer there.
            TryLater: `store_unavailable`: the database cannot be used now.
        """
        id = message_id(self._workspace, message.delivery_id)
        try:
            await self._put(id, message)
        except StoreUnavailable:
            raise TryLater("store_unavailable") from None
        if self._show is not None:
            await self._show.send(message)
        return Accepted(provider_id=id)

    async def close(self) -> None:
        """The database is closed by whoever opened it."""

    async def _put(self, id: str, message: OutgoingMessage) -> None:
        kind = cast(InboxKind, message.channel)
        async with self._database.write(self._workspace) as tx:
            user = await find_user(tx, message.address.user_id)
            if user is None:
                raise Rejected("erased")
            await lock_user(tx, user.user_key)
            # Looked up again: who was erased while the lock was awaited must not get their data back (guarantee 8).
            if await find_user(tx, message.address.user_id) is None:
                raise Rejected("erased")
            now = await database_now(tx)
            await put_message(
                tx,
                InboxMessage(
                    id=id,
                    delivery_id=message.delivery_id,
                    user_key=user.user_key,
                    campaign=message.campaign,
                    kind=kind,
                    content=message.content,
                    priority=self._settings.priorities[kind],
                    created_at=now,
                    expires_at=now + self._settings.expiry(kind),
                ),
            )
