"""A channel whose messages are tracked: links and pixel are put in on the way to the provider."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connector.channels.protocol import Accepted, Channel, OutgoingMessage
from connector.tracking.rewriting import Link, leads_to, rewrite_html, rewrite_text
from connector.tracking.tokens import Kind, Token, Tokens

_LARGE = 100_000
"""Characters; what takes longer to rewrite than others can wait goes to a thread."""


class TrackedChannel:
    """Passes messages on to `channel`, emails and text messages with tracked links in them.

    The same delivery gets the same links in every attempt of one day, so a provider sees one message.

    Args:
        tokens: signs the links.
        base: the public address of our endpoints, without a slash at its end.
        clock: seconds since 1970; when the links' life begins.
    """

    def __init__(self, channel: Channel, tokens: Tokens, base: str, clock: Callable[[], float]) -> None:
        self._channel, self._tokens, self._base, self._clock = channel, tokens, base, clock

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Hand the message over with its tracked links. Raises what the channel raises."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        large = any(isinstance(text, str) and len(text) > _LARGE for text in message.content.values())
        tracked = await asyncio.to_thread(self._tracked, message, at) if large else self._tracked(message, at)
        return await self._channel.send(tracked)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()

    def _tracked(self, message: OutgoingMessage, at: datetime) -> OutgoingMessage:
        if message.channel == "sms":
            return replace(message, content=self._text_message(message, at))
        if message.channel == "email":
            unsubscribe = self._address(Token(Kind.UNSUBSCRIBE, message.delivery_id), at)
            content = self._email(message, at, unsubscribe)
            return replace(message, content=content, unsubscribe=unsubscribe)
        return message

    def _email(self, message: OutgoingMessage, at: datetime, unsubscribe: str) -> dict[str, Any]:
        html = message.content.get("html")
        if html is None:
            return message.content
        pixel = self._address(Token(Kind.OPEN, message.delivery_id), at)
        rewritten = rewrite_html(
            html,
            link=self._linking(Kind.CLICK, message.delivery_id, at),
            own=f"{self._base}/{Kind.UNSUBSCRIBE}/",
            unsubscribe=unsubscribe,
            pixel=f'<img src="{pixel}.gif" width="1" height="1" alt="">',
        )
        return {**message.content, "html": rewritten}

    def _text_message(self, message: OutgoingMessage, at: datetime) -> dict[str, Any]:
        address = self._linking(Kind.SHORT, message.delivery_id, at)

        def link(number: int, url: str, alias: str | None) -> str | None:
            # Users put addresses into what is said of them: signed by us, theirs would be open redirects.
            return address(number, url, alias) if message.hosts is None or leads_to(url, message.hosts) else None

        own = f"{self._base}/{Kind.UNSUBSCRIBE}/"
        return {**message.content, "body": rewrite_text(message.content["body"], link=link, own=own)}

    def _linking(self, kind: Kind, delivery_id: str, at: datetime) -> Link:
        def link(number: int, url: str, alias: str | None) -> str | None:
            try:
                return self._address(Token(kind, delivery_id, number, alias, url), at)
            except ValueError:  # too long, too many, or not a text that can be written: it leads there by itself
                return None

        return link

    def _address(self, token: Token, at: datetime) -> str:
        return f"{self._base}/{token.kind}/{self._tokens.write(token, at=at)}"
