"""A channel whose messages are tracked: links and pixel are inserted on the way to the provider."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from connector.channels.protocol import LARGE_CHARACTERS, Accepted, Channel, OutgoingMessage
from connector.settings.application import Settings
from connector.templating.threads import run_in_thread
from connector.tracking.rewriting import TrackLink, rewrite_html, rewrite_text
from connector.tracking.text_links import leads_to
from connector.tracking.tokens import LinkKind, PlaceholderTokens, Token, Tokens, open_tokens


@dataclass(frozen=True)
class MessageTracker:
    """Inserts tracked links into messages.

    A delivery gets the same links in every attempt of one day, so a provider sees one message.

    Args:
        tokens: signs the links.
        base: the public URL of our endpoints, without a slash at its end.
    """

    tokens: Tokens | PlaceholderTokens
    base: str

    def track(self, message: OutgoingMessage, at: datetime) -> OutgoingMessage:
        """Return an email or a text message with tracked links that are valid from `at` (aware); others unchanged."""
        if message.channel == "sms":
            return replace(message, content=self._track_text(message, at))
        if message.channel == "email":
            unsubscribe = self._url(Token(LinkKind.UNSUBSCRIBE, message.delivery_id), at)
            return replace(message, content=self._track_email(message, at, unsubscribe), unsubscribe=unsubscribe)
        return message

    def _track_email(self, message: OutgoingMessage, at: datetime, unsubscribe: str) -> dict[str, Any]:
        html = message.content.get("html")
        if html is None:
            return message.content
        pixel = self._url(Token(LinkKind.OPEN, message.delivery_id), at)
        tracked = rewrite_html(
            html,
            link=self._linker(LinkKind.CLICK, message.delivery_id, at),
            own=f"{self.base}/{LinkKind.UNSUBSCRIBE}/",
            unsubscribe=unsubscribe,
            pixel=f'<img src="{pixel}.gif" width="1" height="1" alt="">',
        )
        return {**message.content, "html": tracked}

    def _track_text(self, message: OutgoingMessage, at: datetime) -> dict[str, Any]:
        track_link = self._linker(LinkKind.SHORT, message.delivery_id, at)

        def link(number: int, url: str, alias: str | None) -> str | None:
            # Users put URLs into their profiles: signed by us, such a URL would be an open redirect.
            return track_link(number, url, alias) if message.hosts is None or leads_to(url, message.hosts) else None

        own = f"{self.base}/{LinkKind.UNSUBSCRIBE}/"
        return {**message.content, "body": rewrite_text(message.content["body"], link=link, own=own)}

    def _linker(self, kind: LinkKind, delivery_id: str, at: datetime) -> TrackLink:
        def link(number: int, url: str, alias: str | None) -> str | None:
            try:
                return self._url(Token(kind, delivery_id, number, alias, url), at)
            except ValueError:  # too long, too many, or not encodable: the link stays untracked
                return None

        return link

    def _url(self, token: Token, at: datetime) -> str:
        return f"{self.base}/{token.kind}/{self.tokens.write(token, at=at)}"


def open_tracker(settings: Settings) -> MessageTracker | None:
    """Create the tracker from the settings; None if the URL or a secret is missing."""
    tokens, base = open_tokens(settings), settings.tracking.url
    return MessageTracker(tokens, base) if tokens is not None and base is not None else None


def open_preview_tracker(settings: Settings) -> MessageTracker | None:
    """Create a tracker whose links have the length of real ones and lead nowhere; None as `open_tracker`."""
    tracker = open_tracker(settings)
    if tracker is None or not isinstance(tracker.tokens, Tokens):
        return None
    return replace(tracker, tokens=PlaceholderTokens(tracker.tokens))


def track_channels(
    channels: Mapping[str, Channel], settings: Settings, *, clock: Callable[[], float] = time.time
) -> dict[str, Channel]:
    """Return the channels, with tracked links in emails and text messages if the URL and a secret are configured.

    Args:
        clock: seconds since 1970; when the links become valid.
    """
    tracker = open_tracker(settings)
    if tracker is None:
        return dict(channels)
    return {
        name: TrackedChannel(channel, tracker, clock) if name in ("email", "sms") else channel
        for name, channel in channels.items()
    }


class TrackedChannel:
    """Sends messages through `channel`, emails and text messages with tracked links.

    Args:
        clock: seconds since 1970; when the links become valid.
    """

    def __init__(self, channel: Channel, tracker: MessageTracker, clock: Callable[[], float]) -> None:
        self._channel, self._tracker, self._clock = channel, tracker, clock

    async def send(self, message: OutgoingMessage) -> Accepted:
        """Send the message with tracked links. Raises the errors of the channel."""
        at = datetime.fromtimestamp(self._clock(), UTC)
        is_large = message.longest_text > LARGE_CHARACTERS
        track = partial(self._tracker.track, message, at)
        tracked = await run_in_thread(track) if is_large else track()
        return await self._channel.send(tracked)

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()
