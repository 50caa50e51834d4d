"""Postmark's webhooks (postmarkapp.com/developer/webhooks/webhooks-overview).

Postmark signs nothing: the proof is a user and a password that it sends with each call (basic authentication), and,
if one is configured, a custom header. Anybody who has them can report anything, so they must be long,
random, and sent over HTTPS.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.payload import (
    MAX_URL_CHARACTERS,
    hash_parts,
    read_address,
    read_arguments,
    read_instant,
    read_object,
    read_text,
    read_texts,
    reason_code,
    value_at,
)
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, WebhookCall

TOKEN = "x-webhook-token"  # noqa: S105 - the name of a header

_KINDS = {
    "Delivery": EventKind.DELIVERED,
    "Open": EventKind.OPENED,
    "Click": EventKind.CLICKED,
    "SpamComplaint": EventKind.COMPLAINED,
}
_BOUNCES = {
    "HardBounce": (EventKind.BOUNCED, True),
    "BadEmailAddress": (EventKind.REJECTED, True),
    "SpamComplaint": (EventKind.COMPLAINED, True),
    "SoftBounce": (EventKind.BOUNCED, False),
    "VirusNotification": (EventKind.BOUNCED, False),
    "SpamNotification": (EventKind.BOUNCED, False),
    "Transient": (EventKind.DEFERRED, False),
    "DnsError": (EventKind.DEFERRED, False),
    "OpenRelayTest": (EventKind.DEFERRED, False),
    "ManuallyDeactivated": (EventKind.REJECTED, False),
    "Unconfirmed": (EventKind.REJECTED, False),
    "Blocked": (EventKind.REJECTED, False),
    "DMARCPolicy": (EventKind.REJECTED, False),
    "SMTPApiError": (EventKind.FAILED, False),
    "TemplateRenderingFailed": (EventKind.FAILED, False),
    "Unsubscribe": (EventKind.UNSUBSCRIBED, False),
    "ManualSuppression": (EventKind.UNSUBSCRIBED, False),
    "Subscribe": (EventKind.SUBSCRIBED, False),
}
"""By a bounce's type (postmarkapp.com/developer/api/bounce-api#bounce-types) or a suppression's reason: what happened,
and whether the address is permanently bad. A spam notification means that a filter refused the content, not that the
reader complained; auto-responders are none of these."""
_TIME_FIELDS = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
_NO_MESSAGE_ID = "00000000-0000-0000-0000-000000000000"


class Postmark:
    """Postmark's webhook.

    Args:
        user: with `password`, Postmark's basic authentication.
        token: the required value of the custom header X-Webhook-Token; None: the header is not required.

    Raises:
        ValueError: one of them is empty.
    """

    name = "postmark"
    max_body_bytes = 4 * 1024 * 1024
    """A bounce may contain the whole message."""

    def __init__(self, user: str, password: str, *, token: str | None = None) -> None:
        if not user or not password or token == "":
            raise ValueError("the user, the password or the token is empty")
        self._basic = b64encode(f"{user}:{password}".encode())
        self._token = token.encode() if token is not None else None

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Raise SignatureInvalid if user, password or header are not the configured ones."""
        scheme, _, credentials = headers.get("authorization", "").partition(" ")
        is_known = hmac.compare_digest(_encode(credentials.strip()), self._basic) and scheme.lower() == "basic"
        if self._token is not None:
            is_known &= hmac.compare_digest(_encode(headers.get(TOKEN, "")), self._token)
        if not is_known:
            raise SignatureInvalid("user and password (and X-Webhook-Token, if one is configured) are not Postmark's")

    async def verify(self, call: WebhookCall) -> None:
        """Check the headers: nothing is signed. Raises SignatureInvalid."""
        self.check_head(call.headers)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """Return the call's one event. Raises BodyInvalid if there is none."""
        event = read_object(call.body)
        if "RecordType" not in event:
            raise BodyInvalid("the body has no RecordType; inbound messages are not accepted here")
        return [event]

    def normalise(self, item: Any) -> ProviderEvent | None:
        """Return one of Postmark's events; None if it has no message, kind or time."""
        kind = read_text(value_at(item, "RecordType"), 64)
        when = next((time for name in _TIME_FIELDS if (time := read_instant(value_at(item, name)))), None)
        message_id = read_text(value_at(item, "MessageID"), 256)
        recipient = read_address(value_at(item, "Email")) or read_address(value_at(item, "Recipient"))
        if kind is None or when is None or not (recipient or message_id):
            return None
        url = read_text(value_at(item, "OriginalLink"), MAX_URL_CHARACTERS)
        tags, metadata = read_texts(value_at(item, "Tag")), value_at(item, "Metadata")
        happened, fault, permanent = _classify(kind, item)
        return ProviderEvent(
            provider=self.name,
            id=hash_parts(message_id, kind, recipient, when.isoformat(), url, _distinction(item)),
            happened=happened,
            at=when,
            message_id=None if message_id == _NO_MESSAGE_ID else message_id,
            arguments=read_arguments(metadata.items() if isinstance(metadata, dict) else (), tags),
            tags=tags,
            recipient=recipient,
            url=url,
            agent=read_text(value_at(item, "UserAgent")),
            permanent=permanent,
            fault=fault,
        )


def _distinction(item: Any) -> str:
    """Return what distinguishes otherwise equal bounces, and the end of a suppression from its beginning."""
    values = (value_at(item, "ID"), value_at(item, "SuppressSending"))
    return repr([value if isinstance(value, int) else None for value in values])


def _classify(kind: str, item: Any) -> tuple[EventKind, str | None, bool]:
    """Return what happened, why the message did not arrive, and whether the address is permanently bad."""
    if kind == "SubscriptionChange":
        if value_at(item, "SuppressSending") is False:
            return EventKind.SUBSCRIBED, None, False
        return _bounce(value_at(item, "SuppressionReason"), EventKind.UNSUBSCRIBED)
    if kind == "Bounce":
        return _bounce(value_at(item, "Type"), EventKind.OTHER)
    happened = _KINDS.get(kind, EventKind.OTHER)
    is_complaint = happened is EventKind.COMPLAINED
    return happened, "spam_complaint" if is_complaint else None, is_complaint


def _bounce(reason: Any, default: EventKind) -> tuple[EventKind, str | None, bool]:
    happened, permanent = _BOUNCES.get(str(reason)[:64], (default, False))
    return happened, None if happened is EventKind.SUBSCRIBED else reason_code(reason), permanent


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "replace")
