"""Show what is in a user's inbox, as client apps get it."""

from __future__ import annotations

from typing import Any

from connector.app.store_context import StoreContext
from connector.inbox.reading import InboxOwner, load_inbox
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.inbox import InboxKind
from connector.rules.model.values import format_instant
from connector.store.engine.transaction import Transaction, database_now
from connector.store.users.users import StoredUser, find_user
from starter.operations.users import UserUnknown

MAX_MESSAGES = 100


async def read_inbox(
    context: StoreContext, user: str, *, kind: InboxKind | None = None, limit: int = 50
) -> dict[str, Any]:
    """Return in-app messages and cards, highest priority first, then newest, without expired and dismissed ones.

    Args:
        user: any id of the user.

    Raises:
        UserUnknown, StoreUnavailable.
    """
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace) as tx:
        stored = await find_user(tx, user)
        if stored is None:
            raise UserUnknown(f"the user {user} is not known")
        return await view_inbox(context, tx, catalogue, stored, kind=kind, limit=limit)


async def view_inbox(
    context: StoreContext,
    tx: Transaction,
    catalogue: Catalogue,
    stored: StoredUser,
    *,
    kind: InboxKind | None,
    limit: int,
) -> dict[str, Any]:
    """Return the messages of a stored user's inbox as JSON values; `expires_at` is null for a published card."""
    page = await load_inbox(
        tx,
        catalogue,
        InboxOwner(stored.user, stored.user_key),
        now=await database_now(tx),
        kind=kind,
        limit=limit,
        card_priority=context.settings.inbox.priorities["news_feed_card"],
    )
    shown = [
        {
            "id": message.id,
            "kind": message.kind,
            "campaign": message.campaign,
            "card": message.card,
            "content": dict(message.content),
            "priority": message.priority,
            "created_at": format_instant(message.created_at),
            "expires_at": format_instant(message.expires_at),
            "viewed": message.viewed,
        }
        for message in page.messages
    ]
    return {"messages": shown, "is_cut": page.is_cut}
