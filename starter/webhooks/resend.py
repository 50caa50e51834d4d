"""Resend's webhooks (resend.com/docs/webhooks), signed as Standard Webhooks asks; its headers begin with "svix-".

Every attempt is signed anew, with its own time, under the same `svix-id`.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from connector.settings.signing import create_signer
from starter.webhooks.fields import (
    LONGEST_URL,
    address,
    arguments,
    arguments_of_headers,
    at,
    header,
    instant,
    message_id,
    text,
    word,
)
from starter.webhooks.protocol import BodyWrong, SignatureWrong, WebhookCall
from starter.webhooks.verification import check_age, read_object, seconds_header

TOLERANCE = timedelta(minutes=5)
MOST_SIGNATURES = 20

_HAPPENED = {
    "email.sent": EventKind.SENT,
    "email.delivered": EventKind.DELIVERED,
    "email.delivery_delayed": EventKind.DEFERRED,
    "email.bounced": EventKind.BOUNCED,
    "email.suppressed": EventKind.REJECTED,
    "email.failed": EventKind.FAILED,
    "email.complained": EventKind.COMPLAINED,
    "email.opened": EventKind.OPENED,
    "email.clicked": EventKind.CLICKED,
}
_HARD = "hard bounce message"
"""Stands in the words of a hard bounce of the time before bounces had a type."""


@dataclass(frozen=True)
class ResendEvent:
    """An event as it came, with the id that Resend keeps for all its attempts."""

    id: str
    event: dict[str, Any]


class Resend:
    """Resend's side of the protocol.

    Args:
        secret: the webhook's signing secret, "whsec_" and base64.

    Raises:
        ValueError: it is none.
    """

    name = "resend"
    most_bytes = 1024 * 1024

    def __init__(self, secret: str) -> None:
        self._signer = create_signer(secret)

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureWrong where none of the signatures is Resend's for this body, or they are too old."""
        told, at_ = _header(call, "id"), seconds_header(_header(call, "timestamp"))
        signatures = _header(call, "signature").split(" ", MOST_SIGNATURES)[:MOST_SIGNATURES]
        if at_ is None or not told:
            raise SignatureWrong("the headers svix-id, svix-timestamp and svix-signature are missing or not right")
        try:
            made = self._signer.sign(told, at_, call.body.decode()).encode()
            right = any([hmac.compare_digest(made, one.encode()) for one in signatures])
        except UnicodeError:
            right = False
        if not right:
            raise SignatureWrong("the signature is missing, or not Resend's for this body")
        check_age(call, at_, past=TOLERANCE, future=TOLERANCE)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """The call's one event. Raises BodyWrong where it is none."""
        event = read_object(call.body)
        if not isinstance(event.get("type"), str) or not isinstance(event.get("data"), dict):
            raise BodyWrong("the body has no type, or no data")
        return [ResendEvent(_header(call, "id"), event)]

    def normalise(self, told: Any) -> ProviderEvent | None:
        """One of Resend's events; None for one without a message, an id or a time."""
        if not isinstance(told, ResendEvent) or (id_ := text(told.id, 256)) is None:
            return None
        kind, data = text(told.event.get("type"), 64), told.event.get("data")
        when = instant(told.event.get("created_at"))
        if kind is None or when is None or not kind.startswith("email."):
            return _contact(id_, kind, when, data)
        sent, headers = text(at(data, "email_id"), 256), at(data, "headers")
        recipient = _recipient(at(data, "to"))
        if not (recipient or sent):
            return None
        fault, permanent = _fault(kind, data)
        act = at(data, "click") if kind == "email.clicked" else at(data, "open")
        return ProviderEvent(
            provider=self.name,
            id=id_,
            happened=_HAPPENED.get(kind, EventKind.OTHER),
            at=when,
            message_id=sent,
            sent_id=message_id(at(data, "message_id")) or message_id(header(headers, "message-id")),
            arguments=arguments([*arguments_of_headers(headers), *_tags(at(data, "tags"))]),
            recipient=recipient,
            url=text(at(act, "link"), LONGEST_URL),
            agent=text(at(act, "userAgent")),
            permanent=permanent,
            fault=fault,
        )


def _header(call: WebhookCall, name: str) -> str:
    return call.headers.get(f"svix-{name}") or call.headers.get(f"webhook-{name}", "")


def _contact(id_: str, kind: str | None, when: Any, data: Any) -> ProviderEvent | None:
    """A contact who unsubscribed. One who is subscribed says nothing: any change of a contact tells that again."""
    recipient = address(at(data, "email"))
    if kind != "contact.updated" or when is None or recipient is None or at(data, "unsubscribed") is not True:
        return None
    return ProviderEvent("resend", id_, EventKind.UNSUBSCRIBED, when, recipient=recipient)


def _recipient(told: Any) -> str | None:
    """The one address that is told; of several nobody knows whose event it is."""
    return address(told[0]) if isinstance(told, list) and len(told) == 1 else None


def _tags(told: Any) -> list[tuple[Any, Any]]:
    """Resend tells tags as an object, or as a list of names and values."""
    if isinstance(told, dict):
        return list(told.items())
    return [(at(tag, "name"), at(tag, "value")) for tag in told[:500]] if isinstance(told, list) else []


def _fault(kind: str, data: Any) -> tuple[str | None, bool]:
    """Why the message did not arrive, and whether the address is bad for good."""
    if kind == "email.complained":
        return "spam", True
    if kind == "email.suppressed":
        return "suppressed", True
    if kind == "email.failed":
        return word(at(data, "failed", "reason")) or "failed", False
    if kind != "email.bounced":
        return None, False
    bounce = at(data, "bounce")
    words = [word(at(bounce, "type")), word(at(bounce, "subType"))]
    hard = words[0] == "permanent" or (words[0] is None and _HARD in str(at(bounce, "message"))[:2000])
    return "_".join(filter(None, words)) or "bounced", hard
