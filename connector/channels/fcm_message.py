"""A push as FCM's HTTP v1 API takes it (firebase.google.com/docs/reference/fcm/rest/v1/projects.messages).

`data` is what the app gets: the delivery and the campaign, with which it can report opens and clicks, the link, the
buttons and the pages of the story, as JSON. Browsers open the link by themselves.
"""

from __future__ import annotations

import json
from typing import Any

from connector.channels.protocol import OutgoingMessage, Rejected

MAX_PUSH_BYTES = 4096
"""Bytes of the notification and the data together, keys and values; FCM refuses more."""


def write_message(message: OutgoingMessage) -> dict[str, Any]:
    """The message of `message.content` (title, body, link, buttons, pages), without the token that it goes to.

    The delivery id is its tag: where it comes twice to a device, the second takes the first one's place.

    Raises:
        Rejected: it is too large, or cannot be encoded.
    """
    content = message.content
    notification = {"title": content.get("title") or "", "body": content.get("body") or ""}
    link = content.get("link")
    data = {"delivery": message.delivery_id, "campaign": message.campaign}
    data |= {"link": link} if link else {}
    data |= {name: json.dumps(content[name], ensure_ascii=False) for name in ("buttons", "pages") if content.get(name)}
    _check_size(notification | data)
    written: dict[str, Any] = {
        "notification": notification,
        "data": data,
        "android": {"notification": {"tag": message.delivery_id}},
        "apns": {"headers": {"apns-collapse-id": message.delivery_id}},
    }
    if link and link.startswith("https://"):  # FCM refuses the whole message for any other
        written["webpush"] = {"fcm_options": {"link": link}}
    return written


def _check_size(texts: dict[str, str]) -> None:
    try:
        size = sum(len(name) + len(text.encode()) for name, text in texts.items())
    except UnicodeError:
        raise Rejected("push_invalid", "a text cannot be encoded") from None
    if size > MAX_PUSH_BYTES:
        raise Rejected("push_too_long", f"texts, link, buttons and pages are larger than {LONGEST} bytes")
