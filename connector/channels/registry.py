"""Open the channels that the settings configure. A new provider is one module and one line here."""

from __future__ import annotations

from typing import get_args

import structlog

from connector.channels.console import ConsoleChannel
from connector.channels.email import EmailChannel
from connector.channels.fcm import FcmChannel
from connector.channels.inbox import InboxChannel
from connector.channels.networks import EVERYWHERE
from connector.channels.protocol import Channel
from connector.channels.tracked import track_channels
from connector.channels.twilio import TwilioChannel
from connector.channels.webhook import WebhookChannel
from connector.rules.model.inbox import InboxKind
from connector.rules.model.values import ChannelName
from connector.settings.application import Settings
from connector.store.engine.database import Database


def open_channels(settings: Settings, *, default_console: bool, database: Database | None = None) -> dict[str, Channel]:
    """Return every channel that has a provider, by name.

    Args:
        default_console: print the messages of channels without a provider to the console; for development only.
        database: holds the inboxes of client apps; None: the inbox channels have no provider.

    Raises:
        InvalidCredentials: a provider's key file cannot be used.
        ValueError: a provider's settings are incomplete.
    """
    channels: dict[str, Channel] = {}
    if default_console:
        channels |= dict.fromkeys(get_args(ChannelName), ConsoleChannel())
    if database is not None:
        console = ConsoleChannel() if default_console else None
        channels |= dict.fromkeys(
            get_args(InboxKind), InboxChannel(database, settings.workspace, settings.inbox, console=console)
        )
    if settings.smtp.host is not None:
        channels["email"] = EmailChannel(settings.smtp)
    if settings.twilio.account_sid is not None:
        channels["sms"] = TwilioChannel(settings.twilio)
    if settings.fcm.credentials is not None:
        channels["push"] = FcmChannel(settings.fcm)
    channels["webhook"] = WebhookChannel(
        timeout=settings.send_timeout,
        signer=settings.webhook_signer,
        networks=EVERYWHERE if settings.webhook_allow_private else settings.webhook_networks,
    )
    return track_channels(channels, settings)


def open_test_channel(settings: Settings, channel: str) -> Channel | None:
    """Return a channel for one test message, without tracked links and reports; None if it has no provider.

    With `connector dev` it prints what has no provider.

    Raises:
        InvalidCredentials: a provider's key file cannot be used. ValueError: its settings are incomplete.
    """
    if channel == "email" and settings.smtp.host is not None:
        return EmailChannel(settings.smtp.model_copy(update={"provider": None}))
    if channel == "sms" and settings.twilio.account_sid is not None:
        return TwilioChannel(settings.twilio.model_copy(update={"status_callback": None}))
    if channel == "push" and settings.fcm.credentials is not None:
        return FcmChannel(settings.fcm)
    if channel not in settings.provided_channels:
        return None
    # Without configured logs, structlog prints to standard output, which has a command's result.
    return ConsoleChannel() if structlog.is_configured() else ConsoleChannel(_discard)


def _discard(_event: str, /, **_fields: str) -> None:
    """Print nothing."""
