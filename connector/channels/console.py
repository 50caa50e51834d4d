"""Print messages instead of sending them, for development. The printed lines hold personal data."""

from __future__ import annotations

from typing import Protocol

import structlog

from connector.channels.protocol import Accepted, OutgoingMessage
from connector.channels.summaries import body_of, in_one_line, title_of

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
            title=in_one_line(title_of(message.content), _MAX_TEXT_CHARACTERS),
            body=in_one_line(body_of(message.content), _MAX_TEXT_CHARACTERS),
        )
        return Accepted()

    async def close(self) -> None:
        """Do nothing: no connection is open."""
