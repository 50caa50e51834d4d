"""SendGrid's Event Webhook (twilio.com/docs/sendgrid/for-developers/tracking-events/event).

Signed by ECDSA (P-256, SHA-256) over the timestamp header and the body as received. One call holds many events. Custom
arguments are beside SendGrid's own fields, at the top level of each event.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.payload import (
    MAX_URL_CHARACTERS,
    decode_base64,
    hash_parts,
    read_address,
    read_arguments,
    read_json,
    read_message_id,
    read_seconds_header,
    read_text,
    read_texts,
    read_unix_time,
)
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, WebhookCall, check_age, require_headers

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
TOLERANCE = timedelta(minutes=10)
MAX_EVENTS = 20_000

_KINDS = {
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
_DROP_REASONS = {
    "bounced address": ("bounced", True),
    "spam reporting address": ("spam", True),
    "invalid": ("invalid", True),
    "unsubscribed address": ("unsubscribed", False),
    "spam content": ("spam_content", False),
    "recipient list over package quota": ("over_quota", False),
}
"""The reasons for which SendGrid did not try to deliver: our code, and whether the address is permanently bad."""
_MAILBOX_FULL = "5.2.2"
# fmt: off
_OWN_FIELDS = frozenset({
    "asm_group_id", "attempt", "bounce_classification", "category", "cert_err", "email", "event", "ip",
    "marketing_campaign_id", "marketing_campaign_name", "marketing_campaign_split_id", "marketing_campaign_version",
    "newsletter", "pool", "post_type", "reason", "response", "send_at", "sg_content_type", "sg_event_id",
    "sg_machine_open", "sg_message_id", "sg_template_id", "sg_template_name", "sg_user_id", "singlesend_id",
    "singlesend_name", "smtp-id", "status", "template", "timestamp", "tls", "type", "url", "url_offset", "useragent",
})
# fmt: on
"""SendGrid's own fields; all others are custom arguments."""
# The suffix that SendGrid adds to the id that its API returned: ".filter0001…", ".recvd-5f54b5d587-…".
_ID_SUFFIX = re.compile(r"\.(?:filter|recvd).*")


class SendGrid:
    """SendGrid's webhook.

    Args:
        key: the dashboard's verification key.
        tolerance: how far the signed time may be from the time of receipt, either way.
    """

    name = "sendgrid"
    max_body_bytes = 1024 * 1024
    """SendGrid's batches have at most 768 KB."""

    def __init__(self, key: EllipticCurvePublicKey, *, tolerance: timedelta = TOLERANCE) -> None:
        self._key, self._tolerance = key, tolerance

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Raise SignatureInvalid if the call is not signed."""
        require_headers(headers, TIMESTAMP, SIGNATURE)

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureInvalid if the signature is not SendGrid's for this body, or too old."""
        timestamp = call.headers.get(TIMESTAMP, "")
        signature = decode_base64(call.headers.get(SIGNATURE, ""))
        if not timestamp.isascii() or not self._is_signed(signature, timestamp.encode() + call.body):
            raise SignatureInvalid("the signature is missing, or not SendGrid's for this body")
        check_age(call, read_seconds_header(timestamp), past=self._tolerance, future=self._tolerance)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """Return the events of one batch. Raises BodyInvalid if the body is not a list of them."""
        events = read_json(call.body)
        if not isinstance(events, list) or len(events) > MAX_EVENTS:
            raise BodyInvalid(f"the body must be a list of at most {MAX_EVENTS} events")
        return events

    def normalise(self, item: Any) -> ProviderEvent | None:
        """Return one of SendGrid's events; None if it has no message, kind or time."""
        if not isinstance(item, dict):
            return None
        kind, when = read_text(item.get("event"), 64), read_unix_time(item.get("timestamp"))
        recipient, internal_id = read_address(item.get("email")), read_text(item.get("sg_message_id"))
        sent_id = read_message_id(item.get("smtp-id"))
        if kind is None or when is None or not (recipient or internal_id or sent_id):
            return None
        url, tags = read_text(item.get("url"), MAX_URL_CHARACTERS), read_texts(item.get("category"))
        fault, permanent = _fault(kind, item)
        machine = item.get("sg_machine_open")
        return ProviderEvent(
            provider=self.name,
            id=read_text(item.get("sg_event_id"), 256)
            or hash_parts(internal_id, sent_id, kind, recipient, when.isoformat(), url),
            happened=_KINDS.get(kind, EventKind.OTHER),
            at=when,
            message_id=_ID_SUFFIX.sub("", internal_id) if internal_id else None,
            sent_id=sent_id,
            arguments=read_arguments(((name, value) for name, value in item.items() if name not in _OWN_FIELDS), tags),
            tags=tags,
            recipient=recipient,
            url=url,
            agent=read_text(item.get("useragent")),
            machine=machine if isinstance(machine, bool) else None,
            permanent=permanent,
            fault=fault,
        )

    def _is_signed(self, signature: bytes | None, signed: bytes) -> bool:
        if signature is None:
            return False
        try:
            self._key.verify(signature, signed, ECDSA(SHA256()))
        except (InvalidSignature, ValueError):
            return False
        return True


def _fault(kind: str, item: dict[str, Any]) -> tuple[str | None, bool]:
    """Return why the message did not arrive, and whether the address is permanently bad."""
    if kind == "spamreport":
        return "spam", True
    if kind == "dropped":
        reason = (read_text(item.get("type"), 64) or read_text(item.get("reason"), 64) or "").lower()
        return _DROP_REASONS.get(reason, ("dropped", False))
    if kind == "bounce":
        status = read_text(item.get("status"), 32) or ""
        if status.startswith(_MAILBOX_FULL):
            return "mailbox_full", False
        is_hard = item.get("type") == "bounce" or (item.get("type") is None and status.startswith("5."))
        return ("bounced", True) if is_hard else ("blocked", False)
    return None, False
