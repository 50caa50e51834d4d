"""The channels that the settings open."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from connector.app.configuration import SettingsWrong, read_settings
from connector.channels.console import ConsoleChannel
from connector.channels.email import EmailChannel
from connector.channels.fcm import FcmChannel
from connector.channels.registry import open_channels
from connector.channels.twilio import TwilioChannel
from connector.channels.webhook import WebhookChannel
from connector.rules.model.values import ChannelName
from connector.settings.application import Settings
from connector.settings.providers import Smtp
from tests.support.provider_servers import ACCOUNT, fcm, key_file, twilio

NO_SMTP = Smtp(host=None)
SMTP = Smtp(host="mx.test", sender="news@shop.test")


@pytest.mark.parametrize(
    ("smtp", "default_console", "kinds"),
    [
        (NO_SMTP, False, {"webhook": WebhookChannel}),
        (SMTP, False, {"webhook": WebhookChannel, "email": EmailChannel}),
        (NO_SMTP, True, dict.fromkeys(get_args(ChannelName), ConsoleChannel) | {"webhook": WebhookChannel}),
        (
            SMTP,
            True,
            dict.fromkeys(get_args(ChannelName), ConsoleChannel) | {"webhook": WebhookChannel, "email": EmailChannel},
        ),
    ],
)
async def test_the_settings_choose(smtp: Smtp, default_console: bool, kinds: dict[str, type]):
    """Email needs a server, webhooks nothing; the rest is the console's, or absent."""
    channels = open_channels(Settings(smtp=smtp), default_console=default_console)
    assert {name: type(channel) for name, channel in channels.items()} == kinds
    for channel in channels.values():
        await channel.close()


def test_smtp_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    """CONNECTOR_SMTP_* name the server, CONNECTOR_SEND_TIMEOUT the webhooks' bound."""
    monkeypatch.setenv("CONNECTOR_SMTP_HOST", "mx.test")
    monkeypatch.setenv("CONNECTOR_SMTP_TLS", "implicit")
    monkeypatch.setenv("CONNECTOR_SEND_TIMEOUT", "5 seconds")
    settings = Settings()
    assert (settings.smtp.host, settings.smtp.tls) == ("mx.test", "implicit")
    assert settings.send_timeout == timedelta(seconds=5)


def test_an_unknown_kind_of_tls_is_refused(monkeypatch: pytest.MonkeyPatch):
    """A misspelt TLS mode never falls back to sending in clear."""
    monkeypatch.setenv("CONNECTOR_SMTP_TLS", "ssl")
    with pytest.raises(ValidationError, match="starttls"):
        Settings()


def test_a_bad_webhook_secret_is_refused():
    """A secret that signs nothing stops the start, not the first send."""
    with pytest.raises(ValueError, match="whsec_"):
        open_channels(Settings(webhook_secret="whsec_***"), default_console=False)


async def test_sms_and_push_have_providers_where_they_are_set_up(tmp_path: Path):
    """An account opens Twilio, a key file FCM; the console stays for what has none."""
    account = key_file(tmp_path, "http://token.test")
    settings = Settings(smtp=NO_SMTP, twilio=twilio("https://t.test"), fcm=fcm(account, "https://f.test"))
    channels = open_channels(settings, default_console=True)
    assert (type(channels["sms"]), type(channels["push"])) == (TwilioChannel, FcmChannel)
    for channel in channels.values():
        await channel.close()


def test_providers_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch):
    """CONNECTOR_TWILIO_* and CONNECTOR_FCM_*; what does not go together names what it begins with."""
    monkeypatch.setenv("CONNECTOR_TWILIO_ACCOUNT_SID", ACCOUNT)
    with pytest.raises(SettingsWrong, match=r"CONNECTOR_TWILIO_ACCOUNT_SID needs CONNECTOR_TWILIO_AUTH_TOKEN"):
        read_settings()
    monkeypatch.setenv("CONNECTOR_TWILIO_AUTH_TOKEN", "a secret" * 4)
    monkeypatch.setenv("CONNECTOR_TWILIO_SENDER", "+14155550100")
    monkeypatch.setenv("CONNECTOR_FCM_PROJECT", "shop-1")
    settings = read_settings()
    assert (settings.twilio.account_sid, settings.fcm.project) == (ACCOUNT, "shop-1")
    assert "a secret" not in repr(settings)
    monkeypatch.setenv("CONNECTOR_TWILIO_STATUS_CALLBACK", "connector.test")
    with pytest.raises(SettingsWrong, match="CONNECTOR_TWILIO_STATUS_CALLBACK"):
        read_settings()
