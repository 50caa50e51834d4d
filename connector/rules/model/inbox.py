"""The inbox of client apps: its kinds of message, and the interactions that users' actions make."""

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
"""The default number of days for which a message is shown."""

PRIORITIES: Mapping[InboxKind, int] = {"in_app_message": 1, "content_card": 0, "news_feed_card": 0}
"""The default priorities: higher ones are shown first, and within one priority the newest."""

CARD_ID_PREFIX = "card."
"""The prefix of a News Feed card's message id, which is the same for all users."""

INTERACTION_TYPES: Mapping[tuple[InboxKind, InboxVerb], InteractionType] = {
    ("in_app_message", "view"): T.VIEW_IN_APP_MESSAGE,
    ("in_app_message", "click"): T.CLICK_IN_APP_MESSAGE,
    ("content_card", "view"): T.VIEW_CONTENT_CARD,
    ("content_card", "click"): T.CLICK_CONTENT_CARD,
    ("content_card", "dismiss"): T.DISMISS_CONTENT_CARD,
    ("news_feed_card", "view"): T.VIEW_NEWS_FEED_CARD,
    ("news_feed_card", "click"): T.CLICK_NEWS_FEED_CARD,
}
"""The interaction that an action makes; dismissing an in-app message or a News Feed card only hides it."""


class UnknownButton(ConnectorError):
    """The action names a button that the message does not have."""


@dataclass(frozen=True)
class InboxAction:
    """A user's action on a message. `id` is the client's id of a click, which identifies repeated reports."""

    verb: InboxVerb
    button: str | None = None
    link: str | None = None
    id: str | None = None


@dataclass(frozen=True)
class InboxTarget:
    """The message of an action: a campaign's, or a published card; exactly one of the two is set."""

    id: str
    kind: InboxKind
    campaign: str | None
    card: str | None
    content: Mapping[str, Any]


def inbox_message_id(workspace: str, delivery_id: str) -> str:
    """Return the opaque, stable id that clients use for a delivered message."""
    return hashlib.sha256(canonical_json(["inbox", workspace, delivery_id]).encode()).hexdigest()[:32]


def check_button(target: InboxTarget, action: InboxAction) -> None:
    """Raise UnknownButton if the action names a button that the message does not have."""
    if action.button is None:
        return
    buttons = [button["id"] for button in target.content.get("buttons", ())]
    if action.button not in buttons:
        existing = f"it has {', '.join(buttons)}" if buttons else "it has none"
        raise UnknownButton(f"the message has no button {action.button!r}; {existing}")


def interaction_of_action(
    target: InboxTarget, action: InboxAction, user: str, user_key: str, at: datetime
) -> Interaction | None:
    """Return the interaction that the action makes (M1); None if there is no interaction type for it.

    Its id is the same for every view and every dismissal of one message by one user, and for clicks with the same
    client id, or without one within the same second.

    Args:
        user: the user's id.
        at: when it happened, UTC.
    """
    type = INTERACTION_TYPES.get((target.kind, action.verb))
    if type is None:
        return None
    if type is T.CLICK_IN_APP_MESSAGE and action.button is not None:
        type = T.CLICK_IN_APP_MESSAGE_BUTTON
    properties = {"button": action.button, "link": action.link}
    return Interaction(
        id=_id_of(target, action, user_key, at),
        user=user,
        type=type,
        campaign=target.campaign,
        card=target.card,
        occurred_at=at,
        properties={name: value for name, value in properties.items() if value is not None},
    )


def _id_of(target: InboxTarget, action: InboxAction, user_key: str, at: datetime) -> str:
    facts: list[Any] = [user_key, target.id, action.verb]
    if action.verb == "click":
        repeat = ["id", action.id] if action.id is not None else ["second", int(at.timestamp())]
        facts += [action.button, action.link, *repeat]
    return f"inbox-{hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:40]}"
