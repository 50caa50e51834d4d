"""The same act told by several sources: by our own pixel or redirect, and by the provider that carried the message.

Each source has ids of its own, so what is the same is told by the message, the act and the time. What one source tells
twice are two acts: it saw both.

Properties are free, and a service may call anything `message` or `delivery`. So only who names itself as `source` takes
part with whatever it tells; without that, only what our own tracking tells: opens and clicks of a `delivery`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.rules.model.interactions import Interaction, InteractionType, Item

T = InteractionType

DELIVERY_PROPERTY, MESSAGE_PROPERTY, SOURCE_PROPERTY = "delivery", "message", "source"
"""Properties of interactions: our delivery, or a message of another system, that they are about, and who told of them;
without a source they are our own tracking's."""

ENGAGEMENT_TOLERANCE = timedelta(minutes=2)
"""How far apart sources may see one open or click: they have clocks of their own, and some tell whole seconds."""

RECEIPT_TOLERANCE = timedelta(days=7)
"""For how long a message that is on its way may be told of: it is received once."""

ENGAGEMENT_KINDS: Mapping[InteractionType, str] = {
    T.OPEN_EMAIL: "open_email",
    T.CLICK_EMAIL: "click_email",
    T.CLICK_EMAIL_ALIAS: "click_email",
    T.CLICK_SMS_LINK: "click_sms_link",
    T.RECEIVE_EMAIL: "receive_email",
    T.RECEIVE_SMS: "receive_sms",
}
"""What several sources may tell of, with the act that it is: a click is a click, by whichever of its two types (M1)."""

_RECEIPTS = frozenset({T.RECEIVE_EMAIL, T.RECEIVE_SMS})


@dataclass(frozen=True)
class Engagement:
    """What was done to one message of a campaign, as one source told it. `t` is UTC; `link`, `url`: of clicks only."""

    kind: str
    campaign: str
    message: tuple[str, str]
    source: str
    t: datetime
    link: int | None = None
    url: str | None = None

    @property
    def is_receipt(self) -> bool:
        """Whether it is the message's arrival, of which there is one."""
        return self.kind.startswith("receive_")

    @property
    def tolerance(self) -> timedelta:
        """How far from it the same act may be told."""
        return RECEIPT_TOLERANCE if self.is_receipt else ENGAGEMENT_TOLERANCE


def engagement_of(item: Item, t: datetime) -> Engagement | None:
    """The act that an item tells of; None for what takes no part in this."""
    if not isinstance(item, Interaction) or item.type not in ENGAGEMENT_KINDS:
        return None
    return reported_engagement(item.type, item.target, item.properties, t)


def reported_engagement(
    kind: InteractionType, campaign: str, properties: Mapping[str, Any], t: datetime
) -> Engagement | None:
    """The same for what the log has of an item."""
    told = properties.get(SOURCE_PROPERTY)
    source = told if isinstance(told, str) else ""
    names = (DELIVERY_PROPERTY, MESSAGE_PROPERTY) if source else () if kind in _RECEIPTS else (DELIVERY_PROPERTY,)
    message = next(((name, v) for name in names if isinstance(v := properties.get(name), str)), None)
    if message is None:
        return None
    link, url = properties.get("link"), properties.get("url")
    return Engagement(
        ENGAGEMENT_KINDS[kind],
        campaign,
        message,
        source,
        t,
        link if isinstance(link, int) and not isinstance(link, bool) else None,
        url if isinstance(url, str) else None,
    )


def is_duplicate(act: Engagement, others: Iterable[Engagement]) -> bool:
    """Whether one of the others is the same act of the same user: then this one changes nothing."""
    return any(_is_same(act, other) for other in others)


def _is_same(one: Engagement, other: Engagement) -> bool:
    same = (one.kind, one.campaign, one.message) == (other.kind, other.campaign, other.message)
    if not same or abs(one.t - other.t) > one.tolerance:
        return False
    return one.is_receipt or (one.source != other.source and _at_same_link(one, other))


def _at_same_link(one: Engagement, other: Engagement) -> bool:
    """By the link's number where both know it, for one address may stand in a message twice; an open has neither."""
    if one.link is not None and other.link is not None:
        return one.link == other.link
    return one.url == other.url
