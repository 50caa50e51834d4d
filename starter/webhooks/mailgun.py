"""Mailgun's webhooks (documentation.mailgun.com/docs/mailgun/user-manual/webhooks/securing-webhooks).

HMAC-SHA256 of a timestamp and a token under the signing key. Two things follow from what is signed:

- Mailgun tries a call that failed again for eight hours (5, 10, 15 minutes, 1, 2, 4 hours), so the time may be old by
  twelve. Mailgun advises to refuse a token that was seen before; but a call that we answered 5xx comes with its token
  again, and must be taken. So the same call again is taken: its event's id makes it a duplicate, which changes nothing.
- The event itself is not signed: who saw one call could send another event with its token. So a token that was seen
  with another body is refused. Each process remembers the latest `MOST_TOKENS` of those that it found right.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.fields import (
    LONGEST_URL,
    address,
    arguments,
    at,
    digest,
    instant_of_seconds,
    message_id,
    text,
    texts,
    word,
)
from starter.webhooks.protocol import BodyWrong, SignatureWrong, WebhookCall
from starter.webhooks.verification import check_age, read_object

PAST, FUTURE = timedelta(hours=12), timedelta(minutes=10)
MOST_TOKENS = 50_000

_HAPPENED = {
    "accepted": EventKind.QUEUED,
    "delivered": EventKind.DELIVERED,
    "failed": EventKind.BOUNCED,
    "rejected": EventKind.REJECTED,
    "opened": EventKind.OPENED,
    "clicked": EventKind.CLICKED,
    "unsubscribed": EventKind.UNSUBSCRIBED,
    "complained": EventKind.COMPLAINED,
}
_FOR_GOOD = frozenset({"bounce", "suppress_bounce", "suppress_complaint"})
"""Reasons of a permanent failure that lie in the address; "suppress_unsubscribe" is consent, others pass."""
_NO_BOT = frozenset({"", "none", "null", "unknown", "false"})
_PROXY = "gmail"
"""Gmail's image proxy fetches as the reader opens: that says neither."""


class Mailgun:
    """Mailgun's side of the protocol.

    Args:
        signing_key: the account's HTTP webhook signing key.

    Raises:
        ValueError: it is empty.
    """

    name = "mailgun"
    most_bytes = 1024 * 1024

    def __init__(self, signing_key: str) -> None:
        if not signing_key:
            raise ValueError("the signing key is empty")
        self._key = signing_key.encode()
        self._seen: OrderedDict[bytes, bytes] = OrderedDict()

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureWrong where the token is not Mailgun's, too old, or was seen with another event."""
        signed = at(_read(call), "signature")
        token, timestamp = text(at(signed, "token"), 128), str(at(signed, "timestamp"))[:32]
        made = hmac.new(self._key, f"{timestamp}{token}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()
        # A subaccount's call is signed with its own key, and with the main account's beside it.
        told = [text(at(signed, name), 128) or "" for name in ("signature", "parent-signature")]
        if token is None or not any([hmac.compare_digest(made.encode(), one.encode()) for one in told]):
            raise SignatureWrong("the signature is missing, or not Mailgun's for this token")
        check_age(call, instant_of_seconds(timestamp), past=PAST, future=FUTURE)
        self._check_token(f"{timestamp}{token}", call.body)

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """The call's one event. Raises BodyWrong where there is none."""
        told = _read(call).get("event-data")
        if not isinstance(told, dict):
            raise BodyWrong("the body has no event-data")
        return [told]

    def normalise(self, told: Any) -> ProviderEvent | None:
        """One of Mailgun's events; None for one without a message, a kind or a time."""
        kind, when = text(at(told, "event"), 64), instant_of_seconds(at(told, "timestamp"))
        sent_id = message_id(at(told, "message", "headers", "message-id"))
        recipient = address(at(told, "recipient")) or address(at(told, "message", "headers", "to"))
        if kind is None or when is None or not (recipient or sent_id):
            return None
        url, tags = text(at(told, "url"), LONGEST_URL), texts(at(told, "tags"))
        happened, fault, permanent = _judged(kind, told)
        variables = at(told, "user-variables")
        return ProviderEvent(
            provider=self.name,
            # Mailgun's ids are unique within a day.
            id=f"{when:%Y%m%d}-{text(at(told, 'id'), 200) or digest(sent_id, kind, recipient, when.isoformat(), url)}",
            happened=happened,
            at=when,
            message_id=f"<{sent_id}>" if sent_id else None,
            sent_id=sent_id,
            arguments=arguments(variables.items() if isinstance(variables, dict) else (), tags),
            tags=tags,
            recipient=recipient,
            url=url,
            agent=text(at(told, "client-info", "user-agent")),
            machine=_machine(at(told, "client-info")),
            permanent=permanent,
            fault=fault,
        )

    def _check_token(self, token: str, body: bytes) -> None:
        key, of_body = (hashlib.sha256(told).digest() for told in (token.encode(), body))
        if not hmac.compare_digest(self._seen.setdefault(key, of_body), of_body):
            raise SignatureWrong("this token came with another event before")
        while len(self._seen) > MOST_TOKENS:
            self._seen.popitem(last=False)


def _read(call: WebhookCall) -> dict[str, Any]:
    if call.headers.get("content-type", "").startswith(("application/x-www-form-urlencoded", "multipart/")):
        raise BodyWrong("these are Mailgun's legacy webhooks, which are forms; set up the JSON ones")
    return read_object(call.body)


def _judged(kind: str, told: Any) -> tuple[EventKind, str | None, bool]:
    """What happened, why the message did not arrive, and whether the address is bad for good."""
    if kind == "failed":
        reason = word(at(told, "reason")) or "failed"
        if at(told, "severity") == "temporary":
            return EventKind.DEFERRED, reason, False
        if _is_full(at(told, "delivery-status")):
            return EventKind.BOUNCED, "mailbox_full", False
        soft = at(told, "delivery-status", "bounce-type") == "soft"
        return EventKind.BOUNCED, reason, reason in _FOR_GOOD and not soft
    if kind == "complained":
        return EventKind.COMPLAINED, "spam", True
    return _HAPPENED.get(kind, EventKind.OTHER), "rejected" if kind == "rejected" else None, False


def _is_full(status: Any) -> bool:
    return at(status, "code") in (452, 552) or str(at(status, "enhanced-code"))[:8] in ("4.2.2", "5.2.2")


def _machine(client: Any) -> bool | None:
    """Mailgun names the bot that it takes the client for; an empty name says that it takes it for none."""
    bot = at(client, "bot")
    if not isinstance(bot, str) or bot.strip().lower() == _PROXY:
        return bot if isinstance(bot, bool) else None
    return bot.strip().lower() not in _NO_BOT
