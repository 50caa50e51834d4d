"""Events that email and SMS providers report about messages, in one form for all providers.

The kinds are the field's (and those of django-anymail's normaliser, which the tests compare with).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from connector.rules.model.addresses import AddressMeaning

PROVIDERS = ("sendgrid", "ses", "mailgun", "postmark", "resend", "twilio")

UNTIMED = frozenset({"twilio"})
"""Providers that sign neither when an event happened nor when they called: only the events' ids distinguish an old
call from a new one."""

ANSWER = "answer"
"""In place of a provider's name, if the event is a provider's answer to a message."""

DELIVERY, CAMPAIGN, USER = "delivery", "campaign", "user"
"""Custom arguments (providers also call them tags, metadata or variables) that match an event to a message: our
delivery's id, or the campaign's and user's ids of a message that another system sent."""

_MAX_CHARACTERS = {"message_id": 998, "sent_id": 998, "recipient": 320, "url": 16_384, "agent": 512, "fault": 64}
_MAX_ARGUMENTS = 50
_MAX_ARGUMENT_CHARACTERS = 1000
_MAX_KEY_CHARACTERS = 200
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9-]")

EventKey = tuple[str, str]
"""The identity of an event: its provider and its id, see `identify_event`."""


class EventKind(StrEnum):
    """The kind of an event: something that happened to a message, or an action of its reader."""

    QUEUED = "queued"
    SENT = "sent"
    DELIVERED = "delivered"
    DEFERRED = "deferred"
    BOUNCED = "bounced"
    REJECTED = "rejected"
    FAILED = "failed"
    COMPLAINED = "complained"
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    SUBSCRIBED = "subscribed"
    OTHER = "other"


@dataclass(frozen=True)
class ProviderEvent:
    """One event of one message to one recipient. The store keeps unmatched events by these field names.

    Args:
        id: equal each time the provider reports this event, and unique among this provider's events.
        at: when it happened, aware, UTC.
        message_id: the provider's id for the message, as its API returned it.
        sent_id: the Message-ID header that the sender wrote, without angle brackets, if the provider reports it.
        arguments: custom arguments by name; see `DELIVERY`, `CAMPAIGN`, `USER`.
        tags: the message's tags (categories), as reported.
        recipient: the address or number; personal data.
        url: what was clicked.
        agent: the reader's user agent; None: the provider does not report it.
        machine: the provider's own opinion on whether a machine did it; None: it has none.
        permanent: of a bounce or failure: the address will not accept messages later either.
        withdrawn: of a bounce or failure: the recipient has withdrawn their consent at the provider.
        fault: why the message did not arrive, a short code without personal data.
    """

    provider: str
    id: str
    happened: EventKind
    at: datetime
    channel: Literal["email", "sms"] = "email"
    message_id: str | None = None
    sent_id: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    recipient: str | None = None
    url: str | None = None
    agent: str | None = None
    machine: bool | None = None
    permanent: bool = False
    withdrawn: bool = False
    fault: str | None = None


def answer_event(channel: str, recipient: str, meaning: AddressMeaning, at: datetime) -> ProviderEvent:
    """Return a provider's answer about an address as the event of a later report; the event's id is not used."""
    return ProviderEvent(
        provider=ANSWER,
        id="",
        happened=EventKind.FAILED,
        at=at,
        channel="sms" if channel == "sms" else "email",
        recipient=recipient,
        permanent=meaning is AddressMeaning.UNUSABLE,
        withdrawn=meaning is AddressMeaning.UNSUBSCRIBED,
    )


def identify_event(event: ProviderEvent) -> EventKey:
    """Return the event's identity; an id of more than 200 characters is hashed."""
    is_short = len(event.id) <= _MAX_KEY_CHARACTERS
    return event.provider, event.id if is_short else hashlib.sha256(event.id.encode()).hexdigest()


def sanitise_event(event: ProviderEvent) -> ProviderEvent:
    """Return the event in texts that every database stores: without null characters and lone surrogates, bounded."""
    texts = {name: _sanitise(getattr(event, name), limit) for name, limit in _MAX_CHARACTERS.items()}
    return replace(
        event,
        **texts,  # type: ignore[arg-type]
        id=_sanitise(event.id, None) or "",
        arguments={
            _sanitise(name, _MAX_ARGUMENT_CHARACTERS) or "": _sanitise(value, _MAX_ARGUMENT_CHARACTERS) or ""
            for name, value in list(event.arguments.items())[:_MAX_ARGUMENTS]
        },
    )


def _sanitise(text: str | None, max_characters: int | None) -> str | None:
    if text is None:
        return None
    return text[:max_characters].replace("\0", "").encode(errors="replace").decode()


def to_tag(id: str) -> str:
    """Return a delivery's id as a tag for providers whose tags allow only letters, digits, `-` and `_` (SES, Resend).

    Every other character, and the underscore, becomes an underscore and the two hexadecimal digits of each of its
    UTF-8 bytes, so that the id can be decoded: `1f…9a.email` is `1f…9a_2eemail`.
    """
    return _NOT_PLAIN.sub(lambda match: "".join(f"_{byte:02x}" for byte in match[0].encode()), id)


def from_tag(tag: str) -> str:
    """Return the id that `to_tag` encoded; any other text is returned unchanged."""
    try:
        return re.sub(rb"_([0-9a-f]{2})", lambda match: bytes.fromhex(match[1].decode()), tag.encode()).decode()
    except UnicodeError:
        return tag
