"""What a user sees in a client app: delivered messages, and the published News Feed cards that are everybody's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import structlog

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Card
from connector.rules.model.inbox import CARD_ID_PREFIX, InboxKind
from connector.rules.model.messages import Messages, NewsFeedCard
from connector.rules.model.users import User
from connector.store.engine.transaction import Transaction
from connector.store.users.inbox import Mark, load_card_marks, load_messages
from connector.templating.templates import MessageAborted, RenderingFailed, render

CARD_KIND: InboxKind = "news_feed_card"
_log = structlog.get_logger("inbox")


@dataclass(frozen=True)
class InboxEntry:
    """One message as a client app gets it. `expires_at` is None for a published card, which ends as it is stopped."""

    id: str
    kind: InboxKind
    campaign: str | None
    card: str | None
    content: Mapping[str, Any]
    priority: int
    created_at: datetime
    expires_at: datetime | None
    viewed: bool


@dataclass(frozen=True)
class InboxPage:
    """The first messages of an inbox; `is_cut` says whether there are more."""

    messages: list[InboxEntry]
    is_cut: bool


@dataclass(frozen=True)
class InboxOwner:
    """Whose inbox is read."""

    user: User
    user_key: str


async def load_inbox(
    tx: Transaction,
    catalogue: Catalogue,
    reader: InboxOwner,
    *,
    now: datetime,
    kind: InboxKind | None,
    limit: int,
    card_priority: int,
) -> InboxPage:
    """What is to be shown: highest priority first, then the newest; neither expired nor dismissed.

    Args:
        kind: only messages of this kind; None: of all.
        card_priority: of the published cards, which have no row of their own.
    """
    wanted = limit + 1  # one more tells whether there is more
    shown = [
        InboxEntry(m.id, m.kind, m.campaign, None, m.content, m.priority, m.created_at, m.expires_at, bool(m.viewed_at))
        for m in await load_messages(tx, reader.user_key, now=now, kind=kind, limit=wanted)
    ]
    if kind in (None, CARD_KIND) and catalogue.live_cards:
        marks = await load_card_marks(tx, reader.user_key, CARD_ID_PREFIX)
        cards = _cards(catalogue, reader.user, marks, card_priority)
        shown += [card for card, _ in zip(cards, range(wanted), strict=False)]
    shown.sort(key=lambda message: (-message.priority, -message.created_at.timestamp(), message.id))
    return InboxPage(shown[:limit], len(shown) > limit)


def render_card(card: Card, user: User) -> dict[str, Any]:
    """The card as this user sees it; templates see `user`, and the card as `campaign`; nothing triggered it.

    Raises:
        TemplateFault, Aborted: the card is not for this user.
    """
    content = NewsFeedCard(title=card.title, body=card.body, link=card.link)
    seen = {
        "user": {**user.attributes, **user.model_dump(mode="json", exclude={"push_tokens"})},
        "campaign": {"id": card.id, "name": card.id},
        "trigger": {},
        "event": {},
    }
    return render(Messages(news_feed_card=content), CARD_KIND, seen)


def _cards(catalogue: Catalogue, user: User, marks: Mapping[str, Mark], priority: int) -> Iterator[InboxEntry]:
    """The active cards that the user did not dismiss, the newest publication first."""
    for entry in catalogue.live_cards:
        mark = marks.get(CARD_ID_PREFIX + entry.id)
        if mark is not None and mark.dismissed_at is not None:
            continue
        content = _content(entry, user)
        if content is not None:
            since, viewed = entry.windows[-1].opened_at, mark is not None and mark.viewed_at is not None
            yield InboxEntry(
                CARD_ID_PREFIX + entry.id, CARD_KIND, None, entry.id, content, priority, since, None, viewed
            )


def _content(entry: Entry, user: User) -> dict[str, Any] | None:
    """The card of an active entry, None where its template fails or asks not to show it."""
    assert entry.live is not None  # noqa: S101 - the callers' entries are active
    try:
        return render_card(cast(Card, entry.live.definition), user)
    except MessageAborted:
        return None
    except RenderingFailed as fault:  # its detail may quote the user's data
        _log.warning("card_not_rendered", card=entry.id, field=fault.field, line=fault.line)
        return None
