"""Extract the text of a message that is kept after it was sent, without tokens that act for the user.

The text is taken before tracked links, the pixel and the link to unsubscribe are inserted: whoever reads it later sees
what was written, and holds no token of ours. A webhook is kept without its headers and without all but the host of its
URL, which are often secrets of the receiver. Messages of the inbox are kept there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import structlog

from connector.channels.protocol import OutgoingMessage
from connector.settings.application import Settings

MAX_KEPT_CHARACTERS = 100_000
"""The most characters that are kept of one message; what is longer is cut."""

KEPT_FIELDS: dict[str, tuple[str, ...]] = {
    "email": ("subject", "from", "reply_to", "preheader", "text", "html"),
    "sms": ("body",),
    "push": ("title", "body", "link", "buttons", "pages"),
    "webhook": ("method", "url", "body"),
}
"""By channel, the fields that are kept; the first ones have precedence if the message is too long."""

_log = structlog.get_logger("send")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class KeptText:
    """The text of a message that is kept: its fields, which of them were cut, and for how long it is kept."""

    content: dict[str, Any]
    cut: tuple[str, ...]
    keep_for: timedelta


@dataclass(frozen=True)
class TextKeeper:
    """Extracts the texts of messages that are kept.

    Args:
        keep_for: for how long; zero: nothing is kept.
        own_url: the URL of our tracking endpoints, without a slash at its end; None: there are none.
    """

    keep_for: timedelta = timedelta(0)
    own_url: str | None = None

    def take(self, message: OutgoingMessage) -> KeptText | None:
        """Return the text to keep of a message that is rendered, but not tracked yet; None: nothing is kept.

        It never fails: a text that cannot be kept must not keep its message from going out.
        """
        if not self.keep_for or message.channel not in KEPT_FIELDS:
            return None
        try:
            return self._take(message)
        except Exception as error:
            _log.warning("text_not_kept", delivery=message.delivery_id, fault=type(error).__name__)
            return None

    def _take(self, message: OutgoingMessage) -> KeptText:
        content, cut, left = dict[str, Any](), list[str](), MAX_KEPT_CHARACTERS
        for name, value in self._fields(message):
            size = len(value) if isinstance(value, str) else len(json.dumps(value))
            if size <= left:
                content[name] = value
            else:
                cut.append(name)
                if isinstance(value, str):
                    content[name] = value[:left]
            left = max(0, left - size)
        return KeptText(content, tuple(cut), self.keep_for)

    def _fields(self, message: OutgoingMessage) -> Iterator[tuple[str, Any]]:
        for name in KEPT_FIELDS[message.channel]:
            value = message.content.get(name)
            if value is None:
                continue
            if message.channel == "webhook" and name == "url":
                value = _only_host(value)
            yield name, self._clean(value)

    def _clean(self, value: Any) -> Any:
        """Return a value without characters that databases refuse, and without our tokens if its author wrote some."""
        if isinstance(value, str):
            text = _NOT_STORABLE.sub("\ufffd", value)
            return text if self._own is None else self._own.sub(r"\1…", text)
        if isinstance(value, dict):
            return {self._clean(key): self._clean(one) for key, one in value.items()}
        return [self._clean(one) for one in value] if isinstance(value, list | tuple) else value

    @cached_property
    def _own(self) -> re.Pattern[str] | None:
        if self.own_url is None:
            return None
        return re.compile(rf"({re.escape(self.own_url)}/[a-z]{{1,8}}/)[^\s\"'<>]+", re.IGNORECASE)


KEEP_NOTHING = TextKeeper()


def open_keeper(settings: Settings) -> TextKeeper:
    """Create the keeper from the settings."""
    return TextKeeper(settings.keep_messages, settings.tracking.url)


def _only_host(url: str) -> str:
    """Return a URL without user, path and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/{'…' if parts.path.strip('/') or parts.query else ''}"
