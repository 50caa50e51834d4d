"""Twilio's webhooks: status callbacks, incoming messages, and clicks on shortened links.

Signed over the public URL with its query, and every form field (twilio.com/docs/usage/security). For a JSON body the
query holds its SHA-256 (`bodySHA256`), so that the signed URL proves the body. Nothing signed holds a time: a replayed
call cannot be distinguished from a new one, and is harmless because its events keep their ids. Our custom arguments
are in the query: for our own texts the delivery.
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
from connector.rules.model.addresses import AddressMeaning
from connector.rules.provider_events.events import EventKind, ProviderEvent
from connector.rules.provider_events.refusals import meaning_of_twilio
from starter.webhooks.payload import (
    MAX_URL_CHARACTERS,
    hash_parts,
    read_arguments,
    read_instant,
    read_json,
    read_text,
    value_at,
)
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, WebhookCall, require_headers

SIGNATURE = "x-twilio-signature"
_MAX_FIELDS = 200
_MAX_EVENTS = 1000
_BODY_HASH = "bodySHA256"
_CLICK_TYPE = "com.twilio.daptbt.link-shortening.link-clicked"

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
_UNDELIVERED = frozenset({EventKind.BOUNCED, EventKind.FAILED})
_STOP = frozenset({"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT"})
_START = frozenset({"START", "YES", "UNSTOP"})
"""Twilio's own keywords, which count only if they are the whole message."""


@dataclass(frozen=True)
class TwilioEvent:
    """One form, or one JSON event, with the signed query and the time of receipt, UTC."""

    fields: Mapping[str, Any]
    query: Mapping[str, str]
    received_at: datetime


class Twilio:
    """Twilio's webhook.

    Args:
        auth_token: the account's token, which signs.
        urls: the public URLs of the webhook, as configured at Twilio: that of our own texts' status callbacks, and
            that of everything else. Their queries do not matter.

    Raises:
        ValueError: one of them is empty, or there is no URL.
    """

    name = "twilio"
    max_body_bytes = 256 * 1024

    def __init__(self, auth_token: str, *urls: str) -> None:
        if not auth_token or not urls or not all(urls):
            raise ValueError("the auth token or a URL is empty")
        self._token = auth_token
        self._urls = {urlsplit(url)._replace(query="", fragment="") for url in urls}

    def check_head(self, headers: Mapping[str, str]) -> None:
        """Raise SignatureInvalid if the call is not signed."""
        require_headers(headers, SIGNATURE)

    async def verify(self, call: WebhookCall) -> None:
        """Raise SignatureInvalid if the signature is not Twilio's for this URL, query and body."""
        body_hash = dict(_query_pairs(call.query)).get(_BODY_HASH)
        is_signed = self._is_signed(call, _form(call) if body_hash is None else [])
        if body_hash is not None:
            is_signed &= hmac.compare_digest(body_hash.lower().encode("utf-8", "replace"), _hash(call.body))
        if not is_signed:
            raise SignatureInvalid("the signature is missing, or not Twilio's for this URL and these parameters")

    async def parse(self, call: WebhookCall) -> Sequence[Any]:
        """Return a form's one event, or the events of a JSON body. Raises BodyInvalid for any other body."""
        query = dict(_query_pairs(call.query))
        if _BODY_HASH not in query:
            return [TwilioEvent(dict(_form(call)), query, call.at)]
        body = read_json(call.body)
        events = body if isinstance(body, list) else [body]
        if len(events) > _MAX_EVENTS or not all(isinstance(event, dict) for event in events):
            raise BodyInvalid(f"the body must be an event, or a list of at most {_MAX_EVENTS}")
        return [TwilioEvent(event, query, call.at) for event in events]

    def normalise(self, item: Any) -> ProviderEvent | None:
        """Return one of Twilio's events; None if it is about no text message, or an incoming text without a keyword."""
        if not isinstance(item, TwilioEvent):
            return None
        if item.fields.get("type") == _CLICK_TYPE or item.fields.get("event_type") == "click":
            return _click(item)
        if item.fields.get("MessageStatus") and item.fields.get("SmsStatus") != "received":
            return _status(item)
        return _incoming_text(item)

    def _is_signed(self, call: WebhookCall, form: Sequence[tuple[str, str]]) -> bool:
        signature = call.headers.get(SIGNATURE, "")
        urls = [url._replace(query=call.query).geturl() for url in self._urls]
        try:
            return any([is_signed(signature, url, form, self._token) for url in urls])
        except UnicodeError:
            return False


def _status(event: TwilioEvent) -> ProviderEvent | None:
    sid, status = read_text(event.fields.get("MessageSid"), 64), read_text(event.fields.get("MessageStatus"), 32)
    number = event.fields.get("To")
    if sid is None or status is None or not _is_sms(number):
        return None
    happened, code = _STATUSES.get(status, EventKind.OTHER), read_text(event.fields.get("ErrorCode"), 8) or ""
    may_arrive = happened not in _UNDELIVERED
    meaning = AddressMeaning.NOTHING if may_arrive else meaning_of_twilio(code)
    return ProviderEvent(
        provider="twilio",
        id=f"{sid}-{status}",
        happened=happened,
        at=event.received_at,
        channel="sms",
        message_id=sid,
        arguments=_arguments(event),
        recipient=read_text(number, 32),
        permanent=meaning is AddressMeaning.UNUSABLE,
        withdrawn=meaning is AddressMeaning.UNSUBSCRIBED,
        fault=None if may_arrive else code if code.isdecimal() and code.isascii() else status,
    )


def _incoming_text(event: TwilioEvent) -> ProviderEvent | None:
    """Return what an incoming STOP or START means; `OptOutType` comes first, for keywords can be customised."""
    sid, number = read_text(event.fields.get("MessageSid"), 64), event.fields.get("From")
    keyword = read_text(event.fields.get("OptOutType"), 16) or read_text(event.fields.get("Body"), 32) or ""
    happened = EventKind.UNSUBSCRIBED if keyword.upper() in _STOP else EventKind.SUBSCRIBED
    if sid is None or keyword.upper() not in _STOP | _START or not _is_sms(number):
        return None
    return ProviderEvent(
        provider="twilio",
        id=f"{sid}-received",
        happened=happened,
        at=event.received_at,
        channel="sms",
        # MessageSid is the incoming text's own id, not that of a message of ours.
        message_id=None,
        arguments=_arguments(event),
        recipient=read_text(number, 32),
    )


def _click(event: TwilioEvent) -> ProviderEvent | None:
    data = value_at(event.fields, "data") if event.fields.get("type") == _CLICK_TYPE else event.fields
    sid = read_text(value_at(data, "message_sid"), 64) or read_text(value_at(data, "sms_sid"), 64)
    when, url = read_instant(value_at(data, "click_time")), read_text(value_at(data, "link"), MAX_URL_CHARACTERS)
    if sid is None or when is None or not _is_sms(value_at(data, "to")):
        return None
    return ProviderEvent(
        provider="twilio",
        id=read_text(event.fields.get("id"), 64) or hash_parts(sid, "clicked", url, when.isoformat()),
        happened=EventKind.CLICKED,
        at=when,
        channel="sms",
        message_id=sid,
        arguments=_arguments(event),
        recipient=read_text(value_at(data, "to"), 32),
        url=url,
        agent=read_text(value_at(data, "user_agent")),
    )


def _is_sms(number: Any) -> bool:
    """Return whether this is a plain number, or missing: "whatsapp:+1…" and "messenger:…" are other channels."""
    return ":" not in (read_text(number, 32) or "")


def _arguments(event: TwilioEvent) -> dict[str, str]:
    return read_arguments((name, value) for name, value in event.query.items() if name != _BODY_HASH)


def _form(call: WebhookCall) -> list[tuple[str, str]]:
    try:
        body = call.body.decode()
        return parse_qsl(body, keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict")
    except ValueError:
        raise BodyInvalid("the body must be a form, application/x-www-form-urlencoded") from None


def _query_pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        return []


def _hash(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest().encode()
