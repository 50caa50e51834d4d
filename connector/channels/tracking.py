"""Tracking as the settings say."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from connector.channels.protocol import Channel
from connector.channels.tracked import TrackedChannel
from connector.settings.application import Settings
from connector.tracking.tokens import Tokens


def open_tokens(settings: Settings) -> Tokens | None:
    """What signs and reads tokens; None without a secret."""
    secrets = [secret.get_secret_value() for secret in settings.tracking.secrets]
    return Tokens(secrets, settings.workspace, lifetime=settings.tracking.lifetime) if secrets else None


def tracked(
    channels: Mapping[str, Channel], settings: Settings, *, clock: Callable[[], float] = time.time
) -> dict[str, Channel]:
    """The channels, those of emails and text messages with tracked links where address and secret are set.

    Args:
        clock: seconds since 1970; when the links' life begins.
    """
    tokens, base = open_tokens(settings), settings.tracking.url
    if tokens is None or base is None:
        return dict(channels)
    return {
        name: TrackedChannel(channel, tokens, base, clock) if name in ("email", "sms") else channel
        for name, channel in channels.items()
    }
