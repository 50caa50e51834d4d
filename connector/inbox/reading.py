"""Load what a user sees in a client app: delivered messages and the published News Feed cards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, cast

import structlog

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Card
from connector.rules.model.inbox import CARD_ID_PREFIX, InboxKind
from connector.rules.model.messages import Messages, NewsFeedCard
from connector.rules.model.users import User
from connector.store.engine.transaction import Transaction
from connector.store.users.inbox import Mark, load_card_marks, load_messages
from connector.templating.templates import MessageAborted, RenderingFailed, RenderMoment, render, user_variables
from connector.templating.threads import run_in_thread

CARD_KIND: InboxKind = "news_feed_card"
_log = structlog.get_logger("inbox")


@dataclass(frozen=True)
class InboxEntry:
    """One message for a client app. `expires_at` is None for a published card, which ends when it is stopped."""

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
    """The first messages of an inbox; `is_cut`: there are more."""

    messages: list[InboxEntry]
    is_cut: bool


@dataclass(frozen=True)
class InboxOwner:
    """The user whose inbox is loaded."""

    user: User
    user_key: str


async def load_inbox(
    tx: Transaction,
    catalogue: Catalogue,
    owner: InboxOwner,
    *,
    now: datetime,
    kind: InboxKind | None,
    limit: int,
    card_priority: int,
) -> InboxPage:
    """Load the messages that are neither expired nor dismissed: highest priority first, then the newest.

    Args:
        kind: only messages of this kind; None: of every kind.
        card_priority: the priority of published cards, which have no row of their own.
    """
    limit_plus_one = limit + 1  # one more shows whether there are more
    messages = [
        InboxEntry(m.id, m.kind, m.campaign, None, m.content, m.priority, m.created_at, m.expires_at, bool(m.viewed_at))
        for m in await load_messages(tx, owner.user_key, now=now, kind=kind, limit=limit_plus_one)
    ]
    if kind in (None, CARD_KIND) and catalogue.live_cards:
        marks = await load_card_marks(tx, owner.user_key, CARD_ID_PREFIX)
        cards = _cards(catalogue, owner.user, marks, card_priority, now)
        messages += await run_in_thread(lambda: list(islice(cards, limit_plus_one)))
    messages.sort(key=lambda message: (-message.priority, -message.created_at.timestamp(), message.id))
    return InboxPage(messages[:limit], len(messages) > limit)


def render_card(card: Card, user: User, moment: RenderMoment) -> dict[str, Any]:
    """Render a card for one user; templates see `user`, and the card as `campaign`, but no trigger.

    Raises:
        RenderingFailed, MessageAborted: do not show the card to this user.
    """
    content = NewsFeedCard(title=card.title, body=card.body, link=card.link)
    variables = {
        "user": user_variables(user),
        "campaign": {"id": card.id, "name": card.id},
        "trigger": {},
        "event": {},
    }
    return render(Messages(news_feed_card=content), CARD_KIND, variables, moment)


def _cards(
    catalogue: Catalogue, user: User, marks: Mapping[str, Mark], priority: int, now: datetime
) -> Iterator[InboxEntry]:
    """Yield the active cards that the user has not dismissed, the newest publication first."""
    moment = RenderMoment(now, catalogue.workspace.zone)
    for entry in catalogue.live_cards:
        mark = marks.get(CARD_ID_PREFIX + entry.id)
        if mark is not None and mark.dismissed_at is not None:
            continue
        content = _content(entry, user, moment)
        if content is not None:
            since, viewed = entry.windows[-1].opened_at, mark is not None and mark.viewed_at is not None
            yield InboxEntry(
                CARD_ID_PREFIX + entry.id, CARD_KIND, None, entry.id, content, priority, since, None, viewed
            )


def _content(entry: Entry, user: User, moment: RenderMoment) -> dict[str, Any] | None:
    """Render the card of an active entry; None if its template fails or aborts."""
    assert entry.live is not None  # noqa: S101 - the callers' entries are active
    try:
        return render_card(cast(Card, entry.live.definition), user, moment)
    except MessageAborted:
        return None
    except RenderingFailed as fault:
        _log.warning("card_not_rendered", card=entry.id, field=fault.field, line=fault.line, problem=fault.detail)
        return None
