"""Which channel goes out through what, as the settings say. A new provider is one module and one line here."""

from __future__ import annotations

from typing import get_args

from connector.channels.console import Console
from connector.channels.email import Email
from connector.channels.fcm import FcmPush
from connector.channels.inbox import Inbox
from connector.channels.protocol import Channel
from connector.channels.tracked import track_channels
from connector.channels.twilio import TwilioSms
from connector.channels.webhook import Webhook
from connector.rules.model.inbox import InboxKind
from connector.rules.model.values import ChannelName
from connector.settings.application import Settings
from connector.store.engine.database import Database


def open_channels(settings: Settings, *, default_console: bool, database: Database | None = None) -> dict[str, Channel]:
    """Open every channel that has a provider; a channel that is absent has none.

    Args:
        default_console: show the messages of channels without a provider on the console instead; development only.
        database: where the inboxes of client apps are; None: nothing goes into them.

    Raises:
        CredentialsWrong: a provider's key file cannot be used.
        ValueError: a provider's settings are not ones it can work with.
    """
    channels: dict[str, Channel] = {}
    if default_console:
        channels |= dict.fromkeys(get_args(ChannelName), Console())
    if database is not None:
        shown = Console() if default_console else None
        channels |= dict.fromkeys(get_args(InboxKind), Inbox(database, settings.workspace, settings.inbox, show=shown))
    if settings.smtp.host is not None:
        channels["email"] = Email(settings.smtp)
    if settings.twilio.account_sid is not None:
        channels["sms"] = TwilioSms(settings.twilio)
    if settings.fcm.credentials is not None:
        channels["push"] = FcmPush(settings.fcm)
    channels["webhook"] = Webhook(
        timeout=settings.send_timeout,
        secret=settings.webhook_secret.get_secret_value() if settings.webhook_secret else None,
        allow_private=settings.webhook_allow_private,
    )
    return track_channels(channels, settings)
