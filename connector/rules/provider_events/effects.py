"""The meaning of a provider's event: an interaction, a statement about an address, or nothing. One closed table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connector.rules.model.addresses import canonical_address
from connector.rules.model.consent import Consent
from connector.rules.model.interactions import RECEIVE_TYPES, InteractionType
from connector.rules.model.values import canonical_json
from connector.rules.provider_events.attribution import Attribution, ErasedUser, Unmatched
from connector.rules.provider_events.classification import EngagementKind, Visit, classify
from connector.rules.provider_events.events import USER, EventKind, ProviderEvent, identify_event
from connector.rules.targeting.deduplication import DELIVERY_PROPERTY, MESSAGE_PROPERTY, SOURCE_PROPERTY

E, T = EventKind, InteractionType

ALIAS = "alias"
"""The custom argument that names the alias of a message's only link."""

MAX_URL_CHARACTERS = 4096
"""A longer URL is left out of the interaction."""

_MAX_FAULT_CHARACTERS = 64


@dataclass(frozen=True)
class EventEffect:
    """The meaning of an event.

    Args:
        interaction: the interaction with the message's campaign that it makes.
        suppresses_address: the address accepts no messages from now on.
        restores_address: the address accepts messages again.
        consent: what the address's holders stated about the channel.
    """

    interaction: Literal["receipt", "open", "click"] | None = None
    suppresses_address: bool = False
    consent: Consent | None = None
    restores_address: bool = False

    @property
    def is_about_address(self) -> bool:
        """Whether the event changes the suppression of an address or the consent of its holders."""
        return self.suppresses_address or self.restores_address or self.consent is not None


NO_EFFECT = EventEffect()
_EMAIL_EFFECTS: Mapping[EventKind, EventEffect] = {
    E.QUEUED: EventEffect(interaction="receipt"),
    E.SENT: EventEffect(interaction="receipt"),
    E.DELIVERED: EventEffect(interaction="receipt"),
    E.OPENED: EventEffect(interaction="open"),
    E.CLICKED: EventEffect(interaction="click"),
    E.COMPLAINED: EventEffect(suppresses_address=True, consent="unsubscribed"),
    E.UNSUBSCRIBED: EventEffect(consent="unsubscribed"),
    E.SUBSCRIBED: EventEffect(consent="subscribed", restores_address=True),
}
_SMS_EFFECTS: Mapping[EventKind, EventEffect] = {
    kind: effect for kind, effect in _EMAIL_EFFECTS.items() if kind not in (E.QUEUED, E.SENT, E.OPENED)
}
"""A text is received when its carrier reports it delivered (M4); there is no interaction for reading one."""

UNDELIVERED = frozenset({E.BOUNCED, E.FAILED, E.REJECTED})
"""The message did not arrive, and will not."""


def interpret_event(event: ProviderEvent) -> EventEffect:
    """Return what an event means. A temporary bounce, refusal or failure, and any kind not in the table: nothing."""
    if event.happened in UNDELIVERED:
        return EventEffect(suppresses_address=event.permanent, consent="unsubscribed" if event.withdrawn else None)
    effects = _EMAIL_EFFECTS if event.channel == "email" else _SMS_EFFECTS
    return effects.get(event.happened, NO_EFFECT)


def is_left_to_our_pixel(
    event: ProviderEvent, attribution: Attribution | ErasedUser | Unmatched, *, has_pixel: bool
) -> bool:
    """Return whether an open makes no interaction because our own pixel in the same mail reports it better.

    A provider that reports neither the user agent nor whether it was a machine cannot say whether a person opened. Our
    pixel can; but both report one open, and the provider's, if it came first, would make the pixel's a duplicate, the
    one with `opens: human` that triggers and exceptions wait for.

    Args:
        has_pixel: whether our mails carry our pixel.
    """
    is_unclassifiable = event.happened is E.OPENED and event.agent is None and event.machine is None
    is_ours = isinstance(attribution, Attribution) and attribution.delivery is not None
    return has_pixel and is_unclassifiable and is_ours


@dataclass(frozen=True)
class Link:
    """A link of ours that was clicked, as decoded from its token. `number` counts from 0."""

    number: int
    alias: str | None
    url: str


def build_interaction(
    event: ProviderEvent,
    attribution: Attribution,
    link: Link | None,
    visits: Sequence[Visit],
    is_crawler: Callable[[str], bool],
) -> dict[str, Any] | None:
    """Return the interaction that an event makes, in wire form, or None.

    The receipt of our own delivery is not made here: sending it made that interaction.

    Args:
        link: our own link, if one was clicked.
        visits: the visits of this message that are reported in the same batch.
        is_crawler: whether a user agent is a known program's.
    """
    engagement, delivery = interpret_event(event).interaction, attribution.delivery
    if engagement is None or (engagement == "receipt" and delivery is not None):
        return None
    about = {DELIVERY_PROPERTY: delivery.id} if delivery else {MESSAGE_PROPERTY: identify_message(event)}
    properties: dict[str, Any] = {**about, SOURCE_PROPERTY: event.provider}
    id, type = "-".join((event.provider, identify_event(event)[1])), RECEIVE_TYPES[event.channel]
    if engagement == "receipt":
        id = f"receive-{about[MESSAGE_PROPERTY]}"
    else:
        visit = build_visit(event, link)
        dispatched_at = delivery.claimed_at if delivery else None
        properties |= classify(visit, dispatched_at, visits, is_crawler).properties(visit.act)
        type = T.OPEN_EMAIL
    if engagement == "click":
        properties |= _click_properties(event, link)
        by_alias = T.CLICK_EMAIL_ALIAS if ALIAS in properties else T.CLICK_EMAIL
        type = T.CLICK_SMS_LINK if event.channel == "sms" else by_alias
    return {
        "id": id,
        "user": attribution.user,
        "type": type.value,
        "campaign": attribution.campaign,
        "occurred_at": event.at,
        "properties": properties,
    }


def build_visit(event: ProviderEvent, link: Link | None) -> Visit:
    """Return the open or click for classification; a link that is not ours is numbered by a hash of its URL."""
    is_machine = event.machine is True
    if event.happened is not E.CLICKED:
        return Visit(EngagementKind.OPEN, event.at, event.agent, machine=is_machine)
    number = link.number if link else int.from_bytes(hashlib.sha256((event.url or "").encode()).digest()[:6])
    return Visit(EngagementKind.CLICK, event.at, event.agent, link=number, machine=is_machine)


def identify_message(event: ProviderEvent) -> str:
    """Return the identity of another system's message: its id and its recipient, for some ids cover many recipients.

    The recipient is the user whom the event names, even if the message went to two addresses of that user.
    """
    user, address = event.arguments.get(USER), event.recipient
    recipient: Any = (
        canonical_address(event.channel, address) if address is not None else sorted(event.arguments.items())
    )
    facts = [event.provider, event.message_id or event.sent_id or event.id, [USER, user] if user else recipient]
    return f"{event.provider}-{hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:32]}"


def read_fault(event: ProviderEvent) -> str | None:
    """Return why a message did not arrive, as a code of at most 64 characters; None for any other event.

    Mail that bounced temporarily may still arrive; a text that its carrier could not deliver will not.
    """
    may_arrive = event.channel == "email" and event.happened is E.BOUNCED and not event.permanent
    if event.happened not in UNDELIVERED or may_arrive:
        return None
    reason = event.fault if event.fault and event.fault.isascii() else event.happened.value
    code = "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in reason)
    return f"{event.provider}_{code}"[:_MAX_FAULT_CHARACTERS]


def _click_properties(event: ProviderEvent, link: Link | None) -> dict[str, Any]:
    if link is not None:
        return {"url": link.url, "link": link.number} | ({ALIAS: link.alias} if link.alias else {})
    alias, url = event.arguments.get(ALIAS), event.url
    return ({"url": url} if url and len(url) <= MAX_URL_CHARACTERS else {}) | ({ALIAS: alias} if alias else {})
