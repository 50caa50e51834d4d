"""What providers of email and sms tell of messages, in one form whichever of them tells it.

The words are those of the field (and of django-anymail's normaliser, which the tests compare with).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

PROVIDERS = ("sendgrid", "ses", "mailgun", "postmark", "resend", "twilio")

UNTIMED = frozenset({"twilio"})
"""Providers that tell neither in what they sign when it happened nor when they called: an old call of theirs cannot be
told from a new one but by its events' ids."""

DELIVERY, CAMPAIGN, USER = "delivery", "campaign", "user"
"""The custom arguments (tags, metadata, variables: each provider has its word) that lead back to us: our delivery's id,
or the campaign's and user's ids of a message that another system sent."""


class EventKind(StrEnum):
    """What happened to a message, or what its reader did with it."""

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
    """One event of one message to one recipient.

    Args:
        id: the same each time the provider tells of this event again, and of no other event of this provider's.
        at: when it happened, aware, UTC.
        message_id: the provider's id for the message, as its API answered it.
        sent_id: the Message-ID header that the sender wrote, without angle brackets, where the provider tells it.
        arguments: custom arguments by name; see `DELIVERY`, `CAMPAIGN`, `USER`.
        tags: what the message is tagged with (categories, tags), as told.
        recipient: the address or number; personal data.
        url: what was clicked.
        agent: the reader's program as it named itself; None: the provider does not tell.
        machine: the provider's own word on whether a machine did it; None: it does not tell.
        permanent: of a bounce or failure: the address will not take messages another time either.
        fault: why it did not arrive, a short code without personal data.
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
    fault: str | None = None
