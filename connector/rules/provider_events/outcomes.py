"""What becomes of what providers tell: an interaction, a word on an address, or nothing. One closed table."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from connector.rules.model.interactions import RECEIVE_TYPES, InteractionType
from connector.rules.model.users import Consent, canonical_address
from connector.rules.model.values import canonical_json
from connector.rules.provider_events.attribution import Attribution, ErasedUser, Unmatched
from connector.rules.provider_events.classification import EngagementKind, Visit, classify
from connector.rules.provider_events.events import USER, EventKind, ProviderEvent
from connector.rules.targeting.deduplication import DELIVERY_PROPERTY, MESSAGE_PROPERTY, SOURCE_PROPERTY

H, T = EventKind, InteractionType

ALIAS = "alias"
"""The custom argument that names the alias of a message's only link."""

LONGEST_URL = 4096
"""Characters; of a longer address it is not told which it was."""

Makes = Literal["receipt", "open", "click"]


@dataclass(frozen=True)
class Outcome:
    """What an event comes to.

    Args:
        makes: the interaction with the message's campaign.
        dead: the address takes no messages from now on. consent: what its holders said of the channel.
        revives: the address takes messages again.
    """

    makes: Makes | None = None
    dead: bool = False
    consent: Consent | None = None
    revives: bool = False

    @property
    def is_about_the_address(self) -> bool:
        """Whether it changes what is known of an address and its holders."""
        return self.dead or self.revives or self.consent is not None


NOTHING = Outcome()
_OF_EMAIL: Mapping[EventKind, Outcome] = {
    H.QUEUED: Outcome(makes="receipt"),
    H.SENT: Outcome(makes="receipt"),
    H.DELIVERED: Outcome(makes="receipt"),
    H.OPENED: Outcome(makes="open"),
    H.CLICKED: Outcome(makes="click"),
    H.COMPLAINED: Outcome(dead=True, consent="unsubscribed"),
    H.UNSUBSCRIBED: Outcome(consent="unsubscribed"),
    H.SUBSCRIBED: Outcome(consent="subscribed", revives=True),
}
_OF_SMS: Mapping[EventKind, Outcome] = {
    kind: outcome for kind, outcome in _OF_EMAIL.items() if kind not in (H.QUEUED, H.SENT, H.OPENED)
}
"""A text is received as its carrier reports it delivered (M4); one that was read has no interaction."""

UNDELIVERED = frozenset({H.BOUNCED, H.FAILED, H.REJECTED})
"""It did not arrive, and will not."""


def outcome_of(event: ProviderEvent) -> Outcome:
    """What an event comes to.

    A bounce, refusal or failure that may pass, and whatever else is not in the table: nothing.
    """
    if event.happened in UNDELIVERED:
        return Outcome(dead=True) if event.permanent else NOTHING
    table = _OF_EMAIL if event.channel == "email" else _OF_SMS
    return table.get(event.happened, NOTHING)


def is_the_pixels(event: ProviderEvent, led: Attribution | ErasedUser | Unmatched, *, tracked: bool) -> bool:
    """Whether it is an open that our own pixel in the same mail tells better, so that nothing is made of it.

    A provider that tells neither the agent nor whether it was a machine cannot say whether a person opened. Our pixel
    can; but the two are one open, and the provider's, where it came first, would take the place of the one that says
    `opens: human`, for which triggers and exceptions wait.

    Args:
        tracked: whether our mails carry a pixel of ours.
    """
    says_nothing = event.happened is H.OPENED and event.agent is None and event.machine is None
    return tracked and says_nothing and isinstance(led, Attribution) and led.delivery is not None


@dataclass(frozen=True)
class Link:
    """A link of ours that was clicked, as its token says."""

    number: int
    alias: str | None
    url: str


def interaction_of(
    event: ProviderEvent,
    led: Attribution,
    link: Link | None,
    others: Sequence[Visit],
    is_crawler: Callable[[str], bool],
) -> dict[str, Any] | None:
    """The interaction that an event makes, in wire form; None where it makes none.

    What receiving our own delivery makes is not made here: sending it made that one.

    Args:
        link: our own link, where that was clicked. others: the visits of this message that were told with it.
        is_crawler: whether an agent is known to be a program's.
    """
    makes = outcome_of(event).makes
    if makes is None or (makes == "receipt" and led.delivery is not None):
        return None
    about = {DELIVERY_PROPERTY: led.delivery.id} if led.delivery else {MESSAGE_PROPERTY: message_of(event)}
    told: dict[str, Any] = {**about, SOURCE_PROPERTY: event.provider}
    id, kind = f"{event.provider}-{key_of(event)}", RECEIVE_TYPES[event.channel]
    if makes == "receipt":
        id = f"receive-{about[MESSAGE_PROPERTY]}"
    else:
        visit = visit_of(event, link)
        dispatched = led.delivery.claimed_at if led.delivery else None
        told |= classify(visit, dispatched, others, is_crawler).properties(visit.act)
        kind = T.OPEN_EMAIL
    if makes == "click":
        told |= _clicked(event, link)
        kind = T.CLICK_SMS_LINK if event.channel == "sms" else T.CLICK_EMAIL_ALIAS if ALIAS in told else T.CLICK_EMAIL
    return {
        "id": id,
        "user": led.user,
        "type": kind.value,
        "campaign": led.campaign,
        "occurred_at": event.at,
        "properties": told,
    }


def visit_of(event: ProviderEvent, link: Link | None) -> Visit:
    """The open or click as it is classified; links that are not ours have numbers made of their addresses."""
    if event.happened is not H.CLICKED:
        return Visit(EngagementKind.OPEN, event.at, event.agent, machine=event.machine is True)
    number = link.number if link else int.from_bytes(hashlib.sha256((event.url or "").encode()).digest()[:6])
    return Visit(EngagementKind.CLICK, event.at, event.agent, link=number, machine=event.machine is True)


def message_of(event: ProviderEvent) -> str:
    """What a message of another system is known by: its id, and whom it went to, for some have one id for many.

    Whom it went to is the user whom it names; that one user, where it went to two addresses of theirs.
    """
    user, recipient = event.arguments.get(USER), event.recipient
    whom: Any = (
        canonical_address(event.channel, recipient) if recipient is not None else sorted(event.arguments.items())
    )
    facts = [event.provider, event.message_id or event.sent_id or event.id, [USER, user] if user else whom]
    return f"{event.provider}-{hashlib.sha256(canonical_json(facts).encode()).hexdigest()[:32]}"


def key_of(event: ProviderEvent) -> str:
    """The event's id in at most 200 characters."""
    return event.id if len(event.id) <= 200 else hashlib.sha256(event.id.encode()).hexdigest()


def fault_of(event: ProviderEvent) -> str | None:
    """Why a message did not arrive, as a code of at most 64 characters; None for an event that says nothing of it.

    Mail that bounced for now may still arrive; a text that its carrier could not deliver will not.
    """
    may_arrive = event.channel == "email" and event.happened is H.BOUNCED and not event.permanent
    if event.happened not in UNDELIVERED or may_arrive:
        return None
    words = event.fault if event.fault and event.fault.isascii() else event.happened.value
    return f"{event.provider}_{''.join(x if x.isalnum() or x in '._-' else '_' for x in words)}"[:64]


def _clicked(event: ProviderEvent, link: Link | None) -> dict[str, Any]:
    if link is not None:
        return {"url": link.url, "link": link.number} | ({ALIAS: link.alias} if link.alias else {})
    alias, url = event.arguments.get(ALIAS), event.url
    return ({"url": url} if url and len(url) <= LONGEST_URL else {}) | ({ALIAS: alias} if alias else {})
