"""Twilio's webhooks: status callbacks, messages that come in, and clicks on shortened links.

Signed over the public address with its query, and every form field (twilio.com/docs/usage/security). Of a JSON body
the query holds the SHA-256 (`bodySHA256`), so that the signed address proves it. Nothing signed holds a time: a call
told again cannot be told from a new one, and is made harmless by the ids of its events. Our arguments are in the query:
of our own texts the delivery.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from connector.channels.twilio import is_signed
from connector.rules.provider_events.events import EventKind, ProviderEvent
from starter.webhooks.fields import LONGEST_URL, arguments, at, digest, instant, text
from starter.webhooks.protocol import BodyWrong, SignatureWrong, WebhookCall
from starter.webhooks.verification import read_json

SIGNATURE = "x-twilio-signature"
_MOST_FIELDS = 200
_MOST_EVENTS = 1000
_BODY_HASH = "bodySHA256"
_CLICKED = "com.twilio.daptbt.link-shortening.link-clicked"

_STATUSES = {
    "accepted": EventKind.QUEUED,
    "scheduled": EventKind.QUEUED,
    "queued": EventKind.QUEUED,
    "sending": EventKind.QUEUED,
    "sent": EventKind.SENT,
    "delivered": EventKind.DELIVERED,
    "read": EventKind.DELIVERED,
    "undelivered": EventKind.BOUNCED,
    "failed": EventKind.FAILED,
    "canceled": EventKind.FAILED,
}
_NOT_ARRIVED = frozenset({EventKind.BOUNCED, EventKind.FAILED})
_FOR_GOOD = frozenset({"21211", "21214", "21217", "21265", "21614", "30005", "30006"})
"""Twilio's codes that lie in the number: no number, not mobile, a handset that nobody knows, a landline."""
_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START = frozenset({"START", "YES", "UNSTOP"})
"""Twilio's own words, which count only where they are the whole message."""


@dataclass(frozen=True)
class TwilioCall:
    """One thing that Twilio tells: a form's fields, or a JSON event; with the signed query, and when it came."""

    fields: Mapping[str, Any]
    query: Mapping[str, str]
    at: datetime


class Twilio:
    """Twilio's side of the protocol.

    Args:
        auth_token: the account's, which signs.
        urls: the public addresses of the webhook, as Twilio knows them: that of our own texts' status callbacks, and
            that of all else. Their queries do not matter.

    Raises:
        ValueError: one of them is empty, or there is no address.
    """

    name = "twilio"
    most_bytes = 256 * 1024

    def __init__(self, auth_token: str, *urls: str) -> None:
        if not auth_token or not urls or not all(urls):
            raise ValueError("the auth token or an address is empty")
        self._token = auth_token
        self._urls = {urlsplit(url)._replace(query="", fragment="") for url in urls}

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureWrong where the signature is not Twilio's for this address, query and body."""
        told = dict(_pairs(call.query)).get(_BODY_HASH)
        right = self._is_signed(call, _form(call) if told is None else [])
        if told is not None:
            right &= hmac.compare_digest(told.lower().encode("utf-8", "replace"), _hash(call.body))
        if not right:
            raise SignatureWrong("the signature is missing, or not Twilio's for this address and these parameters")

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """A form's one event, or the events of a JSON body. Raises BodyWrong where it is neither."""
        query = dict(_pairs(call.query))
        if _BODY_HASH not in query:
            return [TwilioCall(dict(_form(call)), query, call.at)]
        body = read_json(call.body)
        events = body if isinstance(body, list) else [body]
        if len(events) > _MOST_EVENTS or not all(isinstance(event, dict) for event in events):
            raise BodyWrong(f"the body must be an event, or a list of at most {_MOST_EVENTS}")
        return [TwilioCall(event, query, call.at) for event in events]

    def normalise(self, told: Any) -> ProviderEvent | None:
        """One of Twilio's events; None for what is not about a text message, and for texts of other words."""
        if not isinstance(told, TwilioCall):
            return None
        if told.fields.get("type") == _CLICKED or told.fields.get("event_type") == "click":
            return _click(told)
        if told.fields.get("MessageStatus") and told.fields.get("SmsStatus") != "received":
            return _status(told)
        return _answer(told)

    def _is_signed(self, call: WebhookCall, form: Sequence[tuple[str, str]]) -> bool:
        told, urls = call.headers.get(SIGNATURE, ""), [url._replace(query=call.query).geturl() for url in self._urls]
        try:
            return any([is_signed(told, url, form, self._token) for url in urls])
        except UnicodeError:
            return False


def _status(told: TwilioCall) -> ProviderEvent | None:
    sid, status = text(told.fields.get("MessageSid"), 64), text(told.fields.get("MessageStatus"), 32)
    number = told.fields.get("To")
    if sid is None or status is None or not _is_sms(number):
        return None
    happened, code = _STATUSES.get(status, EventKind.OTHER), text(told.fields.get("ErrorCode"), 8) or ""
    arrived = happened not in _NOT_ARRIVED
    return ProviderEvent(
        provider="twilio",
        id=f"{sid}-{status}",
        happened=happened,
        at=told.at,
        channel="sms",
        message_id=sid,
        arguments=_arguments(told),
        recipient=text(number, 32),
        permanent=not arrived and code in _FOR_GOOD,
        fault=None if arrived else code if code.isdecimal() and code.isascii() else status,
    )


def _answer(told: TwilioCall) -> ProviderEvent | None:
    """A text that came in: STOP and START. Twilio's own word on it goes before ours, for its words can be changed."""
    sid, number = text(told.fields.get("MessageSid"), 64), told.fields.get("From")
    said = text(told.fields.get("OptOutType"), 16) or text(told.fields.get("Body"), 32) or ""
    happened = EventKind.UNSUBSCRIBED if said.upper() in _STOP else EventKind.SUBSCRIBED
    if sid is None or said.upper() not in _STOP | _START or not _is_sms(number):
        return None
    return ProviderEvent(
        provider="twilio",
        id=f"{sid}-received",
        happened=happened,
        at=told.at,
        channel="sms",
        # Its own id, and not that of a message of ours.
        message_id=None,
        arguments=_arguments(told),
        recipient=text(number, 32),
    )


def _click(told: TwilioCall) -> ProviderEvent | None:
    data = at(told.fields, "data") if told.fields.get("type") == _CLICKED else told.fields
    sid = text(at(data, "message_sid"), 64) or text(at(data, "sms_sid"), 64)
    when, url = instant(at(data, "click_time")), text(at(data, "link"), LONGEST_URL)
    if sid is None or when is None or not _is_sms(at(data, "to")):
        return None
    return ProviderEvent(
        provider="twilio",
        id=text(told.fields.get("id"), 64) or digest(sid, "clicked", url, when.isoformat()),
        happened=EventKind.CLICKED,
        at=when,
        channel="sms",
        message_id=sid,
        arguments=_arguments(told),
        recipient=text(at(data, "to"), 32),
        url=url,
        agent=text(at(data, "user_agent")),
    )


def _is_sms(number: Any) -> bool:
    """Whether it is a plain number, or not told: "whatsapp:+1…" and "messenger:…" are other channels, and consents."""
    return ":" not in (text(number, 32) or "")


def _arguments(told: TwilioCall) -> dict[str, str]:
    return arguments((name, value) for name, value in told.query.items() if name != _BODY_HASH)


def _form(call: WebhookCall) -> list[tuple[str, str]]:
    try:
        body = call.body.decode()
        return parse_qsl(body, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise BodyWrong("the body must be a form, application/x-www-form-urlencoded") from None


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        return []


def _hash(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
