"""The inbox of client apps: the kinds of message that wait in it, and the interactions that come of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from connector.rules.model.errors import ConnectorError
from connector.rules.model.interactions import Interaction, InteractionType
from connector.rules.model.values import canonical_json

InboxKind = Literal["in_app_message", "content_card", "news_feed_card"]
InboxVerb = Literal["view", "click", "dismiss"]
T = InteractionType

EXPIRY_DAYS: Mapping[InboxKind, int] = {"in_app_message": 30, "content_card": 30, "news_feed_card": 30}
"""How long a message is shown, where the settings say nothing else."""

PRIORITIES: Mapping[InboxKind, int] = {"in_app_message": 1, "content_card": 0, "news_feed_card": 0}
"""Higher ones are shown first, where the settings say nothing else; within one priority the newest."""

CARD_ID_PREFIX = "card."
"""What the message id of a published News Feed card begins with; it is one for all users."""

INTERACTION_TYPES: Mapping[tuple[InboxKind, InboxVerb], InteractionType] = {
    ("in_app_message", "view"): T.VIEW_IN_APP_MESSAGE,
    ("in_app_message", "click"): T.CLICK_IN_APP_MESSAGE,
    ("content_card", "view"): T.VIEW_CONTENT_CARD,
    ("content_card", "click"): T.CLICK_CONTENT_CARD,
    ("content_card", "dismiss"): T.DISMISS_CONTENT_CARD,
    ("news_feed_card", "view"): T.VIEW_NEWS_FEED_CARD,
    ("news_feed_card", "click"): T.CLICK_NEWS_FEED_CARD,
}
"""The interaction that an act makes; dismissing an in-app message or a News Feed card only takes it away."""


class UnknownButton(ConnectorError):
    """The act names a button that the message does not have."""


@dataclass(frozen=True)
class InboxAction:
    """What a user did with a message. `id` is the client's own for a click, by which a repeat is told from another."""

    verb: InboxVerb
    button: str | None = None
    link: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class InboxTarget:
    """The message of an act: of a campaign, or a published card; exactly one of the two is set."""

    id: str
    kind: InboxKind
    campaign: str | None
    card: str | None
    content: Mapping[str, Any]


def inbox_message_id(workspace: str, delivery_id: str) -> str:
    """The id under which clients know a delivered message: the same each time, and nothing can be read from it."""
    return hashlib.sha256(canonical_json(["inbox", workspace, delivery_id]).encode()).hexdigest()[:32]


def check_button(acted_on: InboxTarget, act: InboxAction) -> None:
    """Raises ButtonUnknown where the act names a button that the message does not have."""
    if act.button is None:
        return
    known = [button["id"] for button in acted_on.content.get("buttons", ())]
    if act.button not in known:
        told = f"it has {', '.join(known)}" if known else "it has none"
        raise UnknownButton(f"the message has no button {act.button!r}; {told}")


def interaction_of_action(
    acted_on: InboxTarget, act: InboxAction, user: str, user_key: str, at: datetime
) -> Interaction | None:
    """The interaction that the act makes (M1), None where there is no kind for it.

    Its id is the same for every view and every dismissal of one message by one user, and for clicks with the same id
    of the client's, or without one within the same second.

    Args:
        user: the user's id.
        at: when it happened, UTC.
    """
    kind = INTERACTION_TYPES.get((acted_on.kind, act.verb))
    if kind is None:
        return None
    if kind is T.CLICK_IN_APP_MESSAGE and act.button is not None:
        kind = T.CLICK_IN_APP_MESSAGE_BUTTON
    named = {"button": act.button, "link": act.link}
    return Interaction(
        id=_id_of(acted_on, act, user_key, at),
        user=user,
        type=kind,
        campaign=acted_on.campaign,
        card=acted_on.card,
        occurred_at=at,
        properties={name: value for name, value in named.items() if value is not None},
    )


def _id_of(acted_on: InboxTarget, act: InboxAction, user_key: str, at: datetime) -> str:
    facts: list[Any] = [user_key, acted_on.id, act.verb]
    if act.verb == "click":
        again = ["id", act.id] if act.id is not None else ["second", int(at.timestamp())]
        facts += [act.button, act.link, *again]
    return f"inbox-{hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:40]}"
