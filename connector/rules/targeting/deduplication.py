"""Deduplication of engagements that several sources report: our own tracking, and the provider that sent the message.

Each source has its own ids, so duplicates are recognised by message, kind and time. Two reports of one source are two
engagements: the source saw both.

Properties are free-form, and a service may use `message` or `delivery` for anything. So an interaction takes part only
if it names its `source`, or if it is an open or a click of a `delivery`, as our own tracking reports them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connector.rules.model.interactions import Interaction, InteractionType, Item

T = InteractionType

DELIVERY_PROPERTY, MESSAGE_PROPERTY, SOURCE_PROPERTY = "delivery", "message", "source"
"""Properties of interactions: the delivery or another system's message that they concern, and who reported them.
Without a source, they are our own tracking's."""

ENGAGEMENT_TOLERANCE = timedelta(minutes=2)
"""The largest time between two sources' reports of one open or click: clocks differ, some report whole seconds."""

RECEIPT_TOLERANCE = timedelta(days=7)
"""The largest time between two reports of one message's receipt: a message is received once."""

ENGAGEMENT_KINDS: Mapping[InteractionType, str] = {
    T.OPEN_EMAIL: "open_email",
    T.CLICK_EMAIL: "click_email",
    T.CLICK_EMAIL_ALIAS: "click_email",
    T.CLICK_SMS_LINK: "click_sms_link",
    T.RECEIVE_EMAIL: "receive_email",
    T.RECEIVE_SMS: "receive_sms",
}
"""The interaction types that several sources may report, with the kind of engagement; both click types are one (M1)."""

_RECEIPTS = frozenset({T.RECEIVE_EMAIL, T.RECEIVE_SMS})


@dataclass(frozen=True)
class Engagement:
    """One source's report of an engagement with a message of a campaign. `t` is UTC; `link` and `url` are a click's."""

    kind: str
    campaign: str
    message: tuple[str, str]
    source: str
    t: datetime
    link: int | None = None
    url: str | None = None

    @property
    def is_receipt(self) -> bool:
        """Whether it is the message's receipt, of which there is only one."""
        return self.kind.startswith("receive_")

    @property
    def tolerance(self) -> timedelta:
        """The largest time between two reports of the same engagement."""
        return RECEIPT_TOLERANCE if self.is_receipt else ENGAGEMENT_TOLERANCE


def engagement_of(item: Item, t: datetime) -> Engagement | None:
    """Return the engagement that an item reports; None if the item takes no part in deduplication."""
    if not isinstance(item, Interaction) or item.type not in ENGAGEMENT_KINDS:
        return None
    return reported_engagement(item.type, item.target, item.properties, t)


def reported_engagement(
    kind: InteractionType, campaign: str, properties: Mapping[str, Any], t: datetime
) -> Engagement | None:
    """Return the engagement of a logged item, as `engagement_of` does."""
    value = properties.get(SOURCE_PROPERTY)
    source = value if isinstance(value, str) else ""
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


def is_duplicate(engagement: Engagement, others: Iterable[Engagement]) -> bool:
    """Return whether one of the same user's other reports is about the same engagement; this one is ignored then."""
    return any(_is_same(engagement, other) for other in others)


def _is_same(one: Engagement, other: Engagement) -> bool:
    is_same_message = (one.kind, one.campaign, one.message) == (other.kind, other.campaign, other.message)
    if not is_same_message or abs(one.t - other.t) > one.tolerance:
        return False
    return one.is_receipt or (one.source != other.source and _is_same_link(one, other))


def _is_same_link(one: Engagement, other: Engagement) -> bool:
    """Compare the links' numbers if both are known, because a message may contain one URL twice; opens have neither."""
    if one.link is not None and other.link is not None:
        return one.link == other.link
    return one.url == other.url
