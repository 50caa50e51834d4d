"""What a provider would get of a rendered message, channel by channel: for previews, which send nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from connector.channels.fcm import build_fcm_message
from connector.channels.mime import build_mime_message
from connector.channels.protocol import Address, OutgoingMessage
from connector.channels.tracked import MessageTracker
from connector.channels.twilio import check_text
from connector.channels.webhook import describe_request
from connector.rules.model.addresses import is_sendable
from connector.rules.model.segments import count_segments
from connector.settings.application import Settings
from connector.tracking.text_links import find_links

_STAND_IN = "recipient@preview.invalid"
"""Takes the place of a missing recipient or sender; no mail reaches it."""


def describe_form(
    message: OutgoingMessage, settings: Settings, tracker: MessageTracker | None, at: datetime
) -> dict[str, Any]:
    """Return what the channel's provider would get, as JSON values; addresses and tokens are left out.

    Args:
        tracker: writes placeholders in the place of tracked links; None: messages are not tracked.
        at: the time of the send, aware.

    Raises:
        Rejected: the channel would refuse the message.
    """
    tracked = message if tracker is None else tracker.track(message, at)
    return _FORMS[message.channel](message, tracked, settings, at)


def _email(message: OutgoingMessage, tracked: OutgoingMessage, settings: Settings, at: datetime) -> dict[str, Any]:
    address = message.address.email
    recipient = address if address is not None and is_sendable("email", address) else _STAND_IN
    sent = replace(tracked, address=Address(message.address.user_id, email=recipient))
    mime = build_mime_message(sent, sender=settings.smtp.sender or _STAND_IN, at=at, provider=settings.smtp.provider)
    parsed = message_from_bytes(mime.data, policy=policy.default)
    parts = {part.get_content_type(): part.get_content() for part in parsed.walk() if not part.is_multipart()}
    shown = [(name, str(value)) for name, value in parsed.items() if _STAND_IN not in str(value)]
    return {
        "subject": str(parsed["Subject"]),
        "html": message.content.get("html"),
        "text": parts.get("text/plain"),
        "sent_html": parts.get("text/html"),
        "headers": [{"name": name, "value": value} for name, value in shown],
        "has_sender": bool(message.content.get("from") or settings.smtp.sender),
        "bytes": len(mime.data),
    }


def _sms(message: OutgoingMessage, tracked: OutgoingMessage, _settings: Settings, _at: datetime) -> dict[str, Any]:
    sent: str = check_text(tracked.content["body"])
    size = count_segments(sent)
    links = sum(1 for _ in find_links(sent))
    counted = {"encoding": size.encoding, "units": size.units, "segments": size.segments, "links": links}
    return {"text": message.content["body"], "sent_text": sent, **counted}


def _push(message: OutgoingMessage, _tracked: OutgoingMessage, _settings: Settings, _at: datetime) -> dict[str, Any]:
    devices = len(message.address.push_tokens)
    return {"request": {"message": {**build_fcm_message(message), "token": "…"}}, "devices": devices}


def _webhook(message: OutgoingMessage, _tracked: OutgoingMessage, _settings: Settings, _at: datetime) -> dict[str, Any]:
    return {"request": describe_request(message.content)}


def _in_app(message: OutgoingMessage, _tracked: OutgoingMessage, _settings: Settings, _at: datetime) -> dict[str, Any]:
    return {"content": message.content}


_FORMS: Mapping[str, Callable[[OutgoingMessage, OutgoingMessage, Settings, datetime], dict[str, Any]]] = {
    "email": _email,
    "sms": _sms,
    "push": _push,
    "webhook": _webhook,
    "in_app_message": _in_app,
    "content_card": _in_app,
    "news_feed_card": _in_app,
}
