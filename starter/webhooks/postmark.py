"""Postmark's webhooks (postmarkapp.com/developer/webhooks/webhooks-overview).

Postmark signs nothing: the proof is a user and a password that it sends with each call (basic authentication), and,
where one is set, a custom header. Who has them can tell us anything, so they must be long, random, and sent by https.
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.fields import LONGEST_URL, address, arguments, at, digest, instant, text, texts, word
from starter.webhooks.protocol import BodyWrong, SignatureWrong, WebhookCall
from starter.webhooks.verification import read_object

TOKEN = "x-webhook-token"  # noqa: S105 - the name of a header

_HAPPENED = {
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
"""By a bounce's type (postmarkapp.com/developer/api/bounce-api#bounce-types) or the reason of a suppression: what it
is, and whether the address is bad for good. A spam notification says that a filter refused the content, not that the
reader complained; answers of machines are none of these."""
_TIMES = ("DeliveredAt", "BouncedAt", "ReceivedAt", "ChangedAt")
_NEVER_SENT = "00000000-0000-0000-0000-000000000000"


class Postmark:
    """Postmark's side of the protocol.

    Args:
        user: with `password`, what stands under basic authentication in Postmark.
        token: what its custom header X-Webhook-Token must hold; None: none is asked for.

    Raises:
        ValueError: one of them is empty.
    """

    name = "postmark"
    most_bytes = 4 * 1024 * 1024
    """A bounce may hold the whole message."""

    def __init__(self, user: str, password: str, *, token: str | None = None) -> None:
        if not user or not password or token == "":
            raise ValueError("the user, the password or the token is empty")
        self._basic = b64encode(f"{user}:{password}".encode())
        self._token = token.encode() if token is not None else None

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureWrong where user, password or header are not those that are set."""
        scheme, _, told = call.headers.get("authorization", "").partition(" ")
        known = hmac.compare_digest(_bytes(told.strip()), self._basic) and scheme.lower() == "basic"
        if self._token is not None:
            known &= hmac.compare_digest(_bytes(call.headers.get(TOKEN, "")), self._token)
        if not known:
            raise SignatureWrong("user and password (and X-Webhook-Token, where one is set) are not Postmark's")

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """The call's one event. Raises BodyWrong where it is none."""
        told = read_object(call.body)
        if "RecordType" not in told:
            raise BodyWrong("the body has no RecordType; inbound messages are not taken here")
        return [told]

    def normalise(self, told: Any) -> ProviderEvent | None:
        """One of Postmark's events; None for one without a message, a kind or a time."""
        kind = text(at(told, "RecordType"), 64)
        when = next((read for name in _TIMES if (read := instant(at(told, name)))), None)
        sent = text(at(told, "MessageID"), 256)
        recipient = address(at(told, "Email")) or address(at(told, "Recipient"))
        if kind is None or when is None or not (recipient or sent):
            return None
        url, tags, metadata = text(at(told, "OriginalLink"), LONGEST_URL), texts(at(told, "Tag")), at(told, "Metadata")
        happened, fault, permanent = _judged(kind, told)
        return ProviderEvent(
            provider=self.name,
            id=digest(sent, kind, recipient, when.isoformat(), url, _own_id(told)),
            happened=happened,
            at=when,
            message_id=None if sent == _NEVER_SENT else sent,
            arguments=arguments(metadata.items() if isinstance(metadata, dict) else (), tags),
            tags=tags,
            recipient=recipient,
            url=url,
            agent=text(at(told, "UserAgent")),
            permanent=permanent,
            fault=fault,
        )


def _own_id(told: Any) -> str:
    """What sets bounces apart that are alike in all else, and the end of a suppression from its beginning."""
    return repr([value if isinstance(value, int) else None for value in (at(told, "ID"), at(told, "SuppressSending"))])


def _judged(kind: str, told: Any) -> tuple[EventKind, str | None, bool]:
    """What happened, why the message did not arrive, and whether the address is bad for good."""
    if kind == "SubscriptionChange":
        if at(told, "SuppressSending") is False:
            return EventKind.SUBSCRIBED, None, False
        return _bounce(at(told, "SuppressionReason"), EventKind.UNSUBSCRIBED)
    if kind == "Bounce":
        return _bounce(at(told, "Type"), EventKind.OTHER)
    happened = _HAPPENED.get(kind, EventKind.OTHER)
    complained = happened is EventKind.COMPLAINED
    return happened, "spam_complaint" if complained else None, complained


def _bounce(reason: Any, otherwise: EventKind) -> tuple[EventKind, str | None, bool]:
    happened, permanent = _BOUNCES.get(str(reason)[:64], (otherwise, False))
    return happened, None if happened is EventKind.SUBSCRIBED else word(reason), permanent


def _bytes(told: str) -> bytes:
    return told.encode("utf-8", "replace")
