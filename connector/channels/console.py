"""Print messages instead of sending them, for development. The printed lines hold personal data."""

from __future__ import annotations

import textwrap
from typing import Any, Protocol

import structlog

from connector.channels.protocol import Accepted, OutgoingMessage

_MAX_TEXT_CHARACTERS = 200


class Writer(Protocol):
    """A function that writes one line, like a logger's `info`."""

    def __call__(self, event: str, /, **fields: str) -> object:
        """Write one line with an event name and its fields."""
        ...


class ConsoleChannel:
    """Any of the seven channels: prints channel, campaign, user, title and body, one line per message.

    Args:
        write: receives the lines; None: the logger `channel.console`, at level info.
    """

    def __init__(self, write: Writer | None = None) -> None:
        self._write: Writer = write or structlog.get_logger("channel.console").info

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Print `message`. Never fails."""
        self._write(
            "message",
            channel=message.channel,
            campaign=message.campaign,
            user=message.address.user_id,
            title=_one_line(_title(message.content)),
            body=_one_line(_body(message.content)),
        )
        return Accepted()

    async def close(self) -> None:
        """Do nothing: no connection is open."""


def _title(content: dict[str, Any]) -> str:
    if "url" in content:
        return f"{content.get('method') or 'POST'} {content['url']}"
    return content.get("subject") or content.get("title") or ""


def _body(content: dict[str, Any]) -> str:
    return content.get("body") or content.get("text") or content.get("html") or ""


def _one_line(text: str) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return textwrap.shorten(printable, _MAX_TEXT_CHARACTERS, placeholder="…")
