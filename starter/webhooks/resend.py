"""Resend's webhooks (resend.com/docs/webhooks), signed by Standard Webhooks with headers that begin with "svix-".

Each attempt has its own signed time, and keeps the `svix-id` of its event.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from connector.settings.signing import create_signer
from starter.webhooks.payload import (
    MAX_URL_CHARACTERS,
    arguments_from_headers,
    find_header,
    read_address,
    read_arguments,
    read_instant,
    read_message_id,
    read_object,
    read_seconds_header,
    read_text,
    reason_code,
    value_at,
)
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, WebhookCall, check_age, require_headers

TOLERANCE = timedelta(minutes=5)
MAX_SIGNATURES = 20

_KINDS = {
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
_HARD_BOUNCE = "hard bounce message"
"""Part of a hard bounce's message, from before bounces had a type."""


@dataclass(frozen=True)
class ResendEvent:
    """An event as received, with the id that Resend keeps for all its attempts."""

    id: str
    event: dict[str, Any]


class Resend:
    """Resend's webhook.

    Args:
        secret: the webhook's signing secret, "whsec_" and base64.

    Raises:
        ValueError: it is not such a secret.
    """

    name = "resend"
    max_body_bytes = 1024 * 1024

    def __init__(self, secret: str) -> None:
        self._signer = create_signer(secret)

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Raise SignatureInvalid if the call is not signed."""
        prefix = "svix" if "svix-id" in headers else "webhook"
        require_headers(headers, f"{prefix}-id", f"{prefix}-timestamp", f"{prefix}-signature")

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureInvalid if none of the signatures is Resend's for this body, or they are too old."""
        id, signed_at = _header(call, "id"), read_seconds_header(_header(call, "timestamp"))
        signatures = _header(call, "signature").split(" ", MAX_SIGNATURES)[:MAX_SIGNATURES]
        if signed_at is None or not id:
            raise SignatureInvalid("the headers svix-id, svix-timestamp and svix-signature are missing or invalid")
        try:
            expected = self._signer.sign(id, signed_at, call.body.decode()).encode()
            is_signed = any([hmac.compare_digest(expected, signature.encode()) for signature in signatures])
        except UnicodeError:
            is_signed = False
        if not is_signed:
            raise SignatureInvalid("the signature is missing, or not Resend's for this body")
        check_age(call, signed_at, past=TOLERANCE, future=TOLERANCE)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """Return the call's one event. Raises BodyInvalid if there is none."""
        event = read_object(call.body)
        if not isinstance(event.get("type"), str) or not isinstance(event.get("data"), dict):
            raise BodyInvalid("the body has no type, or no data")
        return [ResendEvent(_header(call, "id"), event)]

    def normalise(self, item: Any) -> ProviderEvent | None:
        """Return one of Resend's events; None if it has no message, id or time."""
        if not isinstance(item, ResendEvent) or (id := read_text(item.id, 256)) is None:
            return None
        kind, data = read_text(item.event.get("type"), 64), item.event.get("data")
        when = read_instant(item.event.get("created_at"))
        if kind is None or when is None or not kind.startswith("email."):
            return _contact(id, kind, when, data)
        message_id, headers = read_text(value_at(data, "email_id"), 256), value_at(data, "headers")
        recipient = _recipient(value_at(data, "to"))
        if not (recipient or message_id):
            return None
        sent_id = read_message_id(value_at(data, "message_id")) or read_message_id(find_header(headers, "message-id"))
        fault, permanent = _fault(kind, data)
        engagement = value_at(data, "click") if kind == "email.clicked" else value_at(data, "open")
        return ProviderEvent(
            provider=self.name,
            id=id,
            happened=_KINDS.get(kind, EventKind.OTHER),
            at=when,
            message_id=message_id,
            sent_id=sent_id,
            arguments=read_arguments([*arguments_from_headers(headers), *_tags(value_at(data, "tags"))]),
            recipient=recipient,
            url=read_text(value_at(engagement, "link"), MAX_URL_CHARACTERS),
            agent=read_text(value_at(engagement, "userAgent")),
            permanent=permanent,
            fault=fault,
        )


def _header(call: WebhookCall, name: str) -> str:
    return call.headers.get(f"svix-{name}") or call.headers.get(f"webhook-{name}", "")


def _contact(id: str, kind: str | None, when: Any, data: Any) -> ProviderEvent | None:
    """Return a contact's unsubscription. "Subscribed" means nothing: every change of a contact repeats it."""
    recipient = read_address(value_at(data, "email"))
    if kind != "contact.updated" or when is None or recipient is None or value_at(data, "unsubscribed") is not True:
        return None
    return ProviderEvent("resend", id, EventKind.UNSUBSCRIBED, when, recipient=recipient)


def _recipient(addresses: Any) -> str | None:
    """Return the only address; None for several, because the event could be any recipient's."""
    return read_address(addresses[0]) if isinstance(addresses, list) and len(addresses) == 1 else None


def _tags(tags: Any) -> list[tuple[Any, Any]]:
    """Return the tags of an object, or of a list of names and values."""
    if isinstance(tags, dict):
        return list(tags.items())
    return [(value_at(tag, "name"), value_at(tag, "value")) for tag in tags[:500]] if isinstance(tags, list) else []


def _fault(kind: str, data: Any) -> tuple[str | None, bool]:
    """Return why the message did not arrive, and whether the address is permanently bad."""
    if kind == "email.complained":
        return "spam", True
    if kind == "email.suppressed":
        return "suppressed", True
    if kind == "email.failed":
        return reason_code(value_at(data, "failed", "reason")) or "failed", False
    if kind != "email.bounced":
        return None, False
    bounce = value_at(data, "bounce")
    reasons = [reason_code(value_at(bounce, "type")), reason_code(value_at(bounce, "subType"))]
    is_hard = reasons[0] == "permanent" or (
        reasons[0] is None and _HARD_BOUNCE in str(value_at(bounce, "message"))[:2000]
    )
    return "_".join(filter(None, reasons)) or "bounced", is_hard
