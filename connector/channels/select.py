"""Which channel goes out through what, as the settings say. A new provider is one module and one line here."""

from __future__ import annotations

from typing import get_args

from connector.channels.console import Console
from connector.channels.email import Email
from connector.channels.protocol import Channel
from connector.channels.webhook import Webhook
from connector.rules.values import ChannelName
from connector.settings import Settings


def open_channels(settings: Settings, *, default_console: bool) -> dict[str, Channel]:
    """Open every channel that has a provider; a channel that is absent has none.

    Args:
        default_console: show the messages of channels without a provider on the console instead; development only.

    Raises:
        ValueError: a provider's settings are not ones it can work with.
    """
    channels: dict[str, Channel] = {}
    if default_console:
        channels |= dict.fromkeys(get_args(ChannelName), Console())
    if settings.smtp.host is not None:
        channels["email"] = Email(settings.smtp)
    channels["webhook"] = Webhook(
        timeout=settings.send_timeout,
        secret=settings.webhook_secret.get_secret_value() if settings.webhook_secret else None,
        allow_private=settings.webhook_allow_private,
    )
    return channels
