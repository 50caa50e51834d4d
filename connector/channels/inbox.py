"""Store in-app messages and cards in the user's inbox, which client apps read (`starter/api/routes/inbox.py`)."""

from __future__ import annotations

from typing import cast

from connector.channels.protocol import Accepted, Channel, OutgoingMessage, Rejected, TryLater
from connector.rules.model.inbox import InboxKind, inbox_message_id
from connector.settings.inbox import InboxSettings
from connector.store.engine.database import Database, StoreUnavailable, database_now
from connector.store.users.inbox import InboxMessage, insert_message
from connector.store.users.users import find_user, lock_user


class InboxChannel:
    """The channels `in_app_message`, `content_card` and `news_feed_card` of one workspace.

    Args:
        console: also receives each message, to show it to a developer.
    """

    def __init__(
        self, database: Database, workspace: str, settings: InboxSettings, *, console: Channel | None = None
    ) -> None:
        self._database, self._workspace, self._settings, self._console = database, workspace, settings, console

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Store the message once, however often it is sent.

        Raises:
            Rejected: `erased`: the user no longer exists.
            TryLater: `store_unavailable`: the database cannot be used now.
        """
        id = inbox_message_id(self._workspace, message.delivery_id)
        try:
            await self._store_message(id, message)
        except StoreUnavailable:
            raise TryLater("store_unavailable") from None
        if self._console is not None:
            await self._console.send(message)
        return Accepted(provider_id=id)

    async def close(self) -> None:
        """Do nothing: the caller that opened the database closes it."""

    async def _store_message(self, id: str, message: OutgoingMessage) -> None:
        kind = cast(InboxKind, message.channel)
        async with self._database.write(self._workspace) as tx:
            user = await find_user(tx, message.address.user_id)
            if user is None:
                raise Rejected("erased")
            await lock_user(tx, user.user_key)
            # Looked up again: a user who was erased while the lock was awaited must stay erased (guarantee 8).
            if await find_user(tx, message.address.user_id) is None:
                raise Rejected("erased")
            now = await database_now(tx)
            await insert_message(
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
                    expires_at=now + self._settings.expiry[kind],
                ),
            )
