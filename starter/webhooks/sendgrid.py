"""SendGrid's Event Webhook (twilio.com/docs/sendgrid/for-developers/tracking-events/event).

Signed by ECDSA (P-256, SHA-256) over the timestamp header and the body as it came. One call holds many events. Custom
arguments stand beside SendGrid's own fields, at the top of each event.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.fields import (
    LONGEST_URL,
    address,
    arguments,
    digest,
    instant_of_seconds,
    message_id,
    text,
    texts,
)
from starter.webhooks.protocol import BodyWrong, SignatureWrong, WebhookCall
from starter.webhooks.verification import check_age, decode_base64, read_json, seconds_header

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
TOLERANCE = timedelta(minutes=10)
MOST_EVENTS = 20_000

_HAPPENED = {
    "processed": EventKind.QUEUED,
    "delivered": EventKind.DELIVERED,
    "deferred": EventKind.DEFERRED,
    "bounce": EventKind.BOUNCED,
    "dropped": EventKind.REJECTED,
    "spamreport": EventKind.COMPLAINED,
    "open": EventKind.OPENED,
    "click": EventKind.CLICKED,
    "unsubscribe": EventKind.UNSUBSCRIBED,
    "group_unsubscribe": EventKind.UNSUBSCRIBED,
    "group_resubscribe": EventKind.SUBSCRIBED,
}
_DROPPED = {
    "bounced address": ("bounced", True),
    "spam reporting address": ("spam", True),
    "invalid": ("invalid", True),
    "unsubscribed address": ("unsubscribed", False),
    "spam content": ("spam_content", False),
    "recipient list over package quota": ("over_quota", False),
}
"""Why SendGrid did not even try: our code, and whether it will not another time either."""
_FULL = "5.2.2"
# fmt: off
_OWN = frozenset({
    "asm_group_id", "attempt", "bounce_classification", "category", "cert_err", "email", "event", "ip",
    "marketing_campaign_id", "marketing_campaign_name", "marketing_campaign_split_id", "marketing_campaign_version",
    "newsletter", "pool", "post_type", "reason", "response", "send_at", "sg_content_type", "sg_event_id",
    "sg_machine_open", "sg_message_id", "sg_template_id", "sg_template_name", "sg_user_id", "singlesend_id",
    "singlesend_name", "smtp-id", "status", "template", "timestamp", "tls", "type", "url", "url_offset", "useragent",
})
# fmt: on
"""SendGrid's own fields; all others are custom arguments."""
# The part of its id for one recipient that SendGrid's API did not answer: ".filter0001…", ".recvd-5f54b5d587-…".
_INNER = re.compile(r"\.(?:filter|recvd).*")


class SendGrid:
    """SendGrid's side of the protocol.

    Args:
        key: the dashboard's verification key.
        tolerance: how far the signed time may be from the call's.
    """

    name = "sendgrid"
    most_bytes = 1024 * 1024
    """Its batches have 768 KB at most."""

    def __init__(self, key: EllipticCurvePublicKey, *, tolerance: timedelta = TOLERANCE) -> None:
        self._key, self._tolerance = key, tolerance

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureWrong where the signature is not SendGrid's for this body, or too old."""
        told = call.headers.get(TIMESTAMP, "")
        signature = decode_base64(call.headers.get(SIGNATURE, ""))
        if signature is None or not told.isascii() or not self._is_signed(signature, told.encode() + call.body):
            raise SignatureWrong("the signature is missing, or not SendGrid's for this body")
        check_age(call, seconds_header(told), past=self._tolerance, future=self._tolerance)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """The events of one batch. Raises BodyWrong where it is no list of them."""
        told = read_json(call.body)
        if not isinstance(told, list) or len(told) > MOST_EVENTS:
            raise BodyWrong(f"the body must be a list of at most {MOST_EVENTS} events")
        return told

    def normalise(self, told: Any) -> ProviderEvent | None:
        """One of SendGrid's events; None for one without a message, a kind or a time."""
        if not isinstance(told, dict):
            return None
        kind, when = text(told.get("event"), 64), instant_of_seconds(told.get("timestamp"))
        recipient, inner = address(told.get("email")), text(told.get("sg_message_id"))
        sent_id = message_id(told.get("smtp-id"))
        if kind is None or when is None or not (recipient or inner or sent_id):
            return None
        url, tags = text(told.get("url"), LONGEST_URL), texts(told.get("category"))
        fault, permanent = _fault(kind, told)
        machine = told.get("sg_machine_open")
        return ProviderEvent(
            provider=self.name,
            id=text(told.get("sg_event_id"), 256) or digest(inner, sent_id, kind, recipient, when.isoformat(), url),
            happened=_HAPPENED.get(kind, EventKind.OTHER),
            at=when,
            message_id=_INNER.sub("", inner) if inner else None,
            sent_id=sent_id,
            arguments=arguments(((name, value) for name, value in told.items() if name not in _OWN), tags),
            tags=tags,
            recipient=recipient,
            url=url,
            agent=text(told.get("useragent")),
            machine=machine if isinstance(machine, bool) else None,
            permanent=permanent,
            fault=fault,
        )

    def _is_signed(self, signature: bytes, signed: bytes) -> bool:
        try:
            self._key.verify(signature, signed, ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


def _fault(kind: str, told: dict[str, Any]) -> tuple[str | None, bool]:
    """Why the message did not arrive, and whether the address is bad for good."""
    if kind == "spamreport":
        return "spam", True
    if kind == "dropped":
        reason = (text(told.get("type"), 64) or text(told.get("reason"), 64) or "").lower()
        return _DROPPED.get(reason, ("dropped", False))
    if kind == "bounce":
        status = text(told.get("status"), 32) or ""
        if status.startswith(_FULL):
            return "mailbox_full", False
        hard = told.get("type") == "bounce" or (told.get("type") is None and status.startswith("5."))
        return ("bounced", True) if hard else ("blocked", False)
    return None, False
