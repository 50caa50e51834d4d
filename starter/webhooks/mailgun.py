"""Mailgun's webhooks (documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks).

HMAC-SHA256 of a timestamp and a token under the signing key. Two rules follow from what is signed:

- Mailgun retries a failed call for eight hours (5, 10, 15 minutes, 1, 2, 4 hours), so the time may be up to twelve
  hours old. Mailgun advises to refuse a token that was seen before; but a call that we answered with 5xx is retried
  with the same token and must be accepted. So a repeated call is accepted: its event's id makes it a duplicate, which
  changes nothing.
- The event itself is not signed: a person who saw a call could send another event with its token. So a token that was
  seen with another body is refused. Each process remembers the latest `MAX_TOKENS` valid tokens.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.payload import (
    MAX_URL_CHARACTERS,
    hash_parts,
    read_address,
    read_arguments,
    read_message_id,
    read_object,
    read_text,
    read_texts,
    read_unix_time,
    reason_code,
    value_at,
)
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, WebhookCall, check_age

MAX_AGE, MAX_CLOCK_SKEW = timedelta(hours=12), timedelta(minutes=10)
MAX_TOKENS = 50_000

_KINDS = {
    "accepted": EventKind.QUEUED,
    "delivered": EventKind.DELIVERED,
    "failed": EventKind.BOUNCED,
    "rejected": EventKind.REJECTED,
    "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    "complained": EventKind.COMPLAINED,
}
_PERMANENT = frozenset({"bounce", "suppress_bounce", "suppress_complaint"})
"""Reasons of a permanent failure that lie in the address; "suppress_unsubscribe" is consent, others are temporary."""
_NOT_A_BOT = frozenset({"", "none", "null", "unknown", "false"})
_GMAIL_PROXY = "gmail"
"""Gmail's image proxy fetches when the reader opens: neither proof of a person nor of a machine."""


class Mailgun:
    """Mailgun's webhook.

    Args:
        signing_key: the account's HTTP webhook signing key.

    Raises:
        ValueError: the key is empty.
    """

    name = "mailgun"
    max_body_bytes = 1024 * 1024

    def __init__(self, signing_key: str) -> None:
        if not signing_key:
            raise ValueError("the signing key is empty")
        self._key = signing_key.encode()
        self._seen: OrderedDict[bytes, bytes] = OrderedDict()

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Do nothing: the signature is in the body."""

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureInvalid if the token is not Mailgun's, too old, or was seen with another event."""
        signed = value_at(_read(call), "signature")
        token, timestamp = read_text(value_at(signed, "token"), 128), str(value_at(signed, "timestamp"))[:32]
        expected = hmac.new(self._key, f"{timestamp}{token}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        # A subaccount's call is signed with its own key, and also with the main account's.
        signatures = [read_text(value_at(signed, name), 128) or "" for name in ("signature", "parent-signature")]
        is_signed = any([hmac.compare_digest(expected.encode(), signature.encode()) for signature in signatures])
        if token is None or not is_signed:
            raise SignatureInvalid("the signature is missing, or not Mailgun's for this token")
        check_age(call, read_unix_time(timestamp), past=MAX_AGE, future=MAX_CLOCK_SKEW)
        self._check_token(f"{timestamp}{token}", call.body)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """Return the call's one event. Raises BodyInvalid if there is none."""
        event = _read(call).get("event-data")
        if not isinstance(event, dict):
            raise BodyInvalid("the body has no event-data")
        return [event]

    def normalise(self, item: Any) -> ProviderEvent | None:
        """Return one of Mailgun's events; None if it has no message, kind or time."""
        kind, when = read_text(value_at(item, "event"), 64), read_unix_time(value_at(item, "timestamp"))
        sent_id = read_message_id(value_at(item, "message", "headers", "message-id"))
        recipients = (value_at(item, "recipient"), value_at(item, "message", "headers", "to"))
        recipient = next(filter(None, map(read_address, recipients)), None)
        if kind is None or when is None or not (recipient or sent_id):
            return None
        url, tags = read_text(value_at(item, "url"), MAX_URL_CHARACTERS), read_texts(value_at(item, "tags"))
        id = read_text(value_at(item, "id"), 200) or hash_parts(sent_id, kind, recipient, when.isoformat(), url)
        happened, fault, permanent = _classify(kind, item)
        variables = value_at(item, "user-variables")
        return ProviderEvent(
            provider=self.name,
            id=f"{when:%Y%m%d}-{id}",  # Mailgun's ids are unique within a day
            happened=happened,
            at=when,
            message_id=f"<{sent_id}>" if sent_id else None,
            sent_id=sent_id,
            arguments=read_arguments(variables.items() if isinstance(variables, dict) else (), tags),
            tags=tags,
            recipient=recipient,
            url=url,
            agent=read_text(value_at(item, "client-info", "user-agent")),
            machine=_machine(value_at(item, "client-info")),
            permanent=permanent,
            fault=fault,
        )

    def _check_token(self, token: str, body: bytes) -> None:
        key, body_hash = (hashlib.sha256(data).digest() for data in (token.encode(), body))
        if not hmac.compare_digest(self._seen.setdefault(key, body_hash), body_hash):
            raise SignatureInvalid("this token was used with another event before")
        while len(self._seen) > MAX_TOKENS:
            self._seen.popitem(last=False)


def _read(call: WebhookCall) -> dict[str, Any]:
    if call.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/")):
        raise BodyInvalid("this is one of Mailgun's legacy webhooks, which send forms; set up the JSON webhooks")
    return read_object(call.body)


def _classify(kind: str, item: Any) -> tuple[EventKind, str | None, bool]:
    """Return what happened, why the message did not arrive, and whether the address is permanently bad."""
    if kind == "failed":
        reason = reason_code(value_at(item, "reason")) or "failed"
        if value_at(item, "severity") == "temporary":
            return EventKind.DEFERRED, reason, False
        if _is_full(value_at(item, "delivery-status")):
            return EventKind.BOUNCED, "mailbox_full", False
        is_soft = value_at(item, "delivery-status", "bounce-type") == "soft"
        return EventKind.BOUNCED, reason, reason in _PERMANENT and not is_soft
    if kind == "complained":
        return EventKind.COMPLAINED, "spam", True
    return _KINDS.get(kind, EventKind.OTHER), "rejected" if kind == "rejected" else None, False


def _is_full(status: Any) -> bool:
    return value_at(status, "code") in (452, 552) or str(value_at(status, "enhanced-code"))[:8] in ("4.2.2", "5.2.2")


def _machine(client: Any) -> bool | None:
    """Return whether a machine did it: Mailgun names the bot that it detects, and an empty name means no bot."""
    bot = value_at(client, "bot")
    if not isinstance(bot, str) or bot.strip().lower() == _GMAIL_PROXY:
        return bot if isinstance(bot, bool) else None
    return bot.strip().lower() not in _NOT_A_BOT
