"""Settings of the providers that send email, sms and push: CONNECTOR_SMTP_*, CONNECTOR_TWILIO_*, CONNECTOR_FCM_*."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints
from pydantic_settings import SettingsConfigDict

from connector.settings.durations import Duration, between
from connector.settings.environment import Section, setting
from connector.settings.signing import ProviderSecret

MAX_SEND = timedelta(seconds=25)
"""An attempt of the activity has 30 seconds, so that the answer of a slow provider is still read (guarantee 4)."""

SmtpProvider = Literal["sendgrid", "ses", "mailgun", "postmark", "resend"]


def _check_base_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("write an address that begins with https:// and a host")
    return text.rstrip("/")


def _sid(prefix: str) -> StringConstraints:
    return StringConstraints(pattern=rf"^{prefix}[0-9a-fA-F]{{32}}$")


_BaseUrl = Annotated[str, AfterValidator(_check_base_url)]
# It only signs in at a server, which knows what it accepts.
_Password = Annotated[SecretStr, Field(min_length=1)]
_Timeout = Annotated[Duration, between(most=MAX_SEND)]
_TIMEOUT = timedelta(seconds=20)


class Smtp(Section):
    """The server that sends email."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SMTP_", extra="ignore")
    title: ClassVar[str] = "Email"
    read_by: ClassVar[str] = "worker"

    host: str | None = setting(None, "the mail server", default_text="no email is sent", read_by="worker, API")
    port: int = setting(587, "its port", ge=1, le=65535)
    tls: Literal["starttls", "implicit", "none"] = setting("starttls", "how the connection is encrypted")
    username: str | None = setting(None, "the user name", default_text="no authentication")
    password: _Password | None = setting(None, "the password")
    sender: str | None = setting(None, "the sender of messages without `from`", form="`Shop <news@shop.example>`")
    provider: SmtpProvider | None = setting(
        None,
        "the provider that runs the mail server; each email then has the provider's header with the delivery id, see "
        "[provider webhooks](sources/webhooks.md)",
        default_text="no such header",
    )
    timeout: _Timeout = setting(_TIMEOUT, "the timeout of one email")


class Twilio(Section):
    """The account that sends sms. It signs in with the API key if there is one; the auth token verifies reports."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_TWILIO_", extra="ignore")
    title: ClassVar[str] = "Text messages"
    read_by: ClassVar[str] = "worker"

    account_sid: Annotated[str, _sid("AC")] | None = setting(
        None,
        "the Twilio account that sends text messages",
        form="`AC…`",
        default_text="no sms is sent",
        read_by="worker, API",
        hidden=True,
    )
    auth_token: ProviderSecret | None = setting(
        None,
        "its auth token: authenticates if there is no API key, and verifies delivery reports",
        read_by="worker, API",
    )
    api_key: Annotated[str, _sid("SK")] | None = setting(
        None, "an API key", form="`SK…`", default_text="the auth token is used", hidden=True
    )
    api_secret: ProviderSecret | None = setting(None, "the key's secret")
    sender: str | None = setting(None, "the number or name that sends text messages")
    messaging_service_sid: Annotated[str, _sid("MG")] | None = setting(
        None, "or the messaging service that chooses the sender", form="`MG…`", hidden=True
    )
    status_callback: _BaseUrl | None = setting(
        None,
        "the public URL of `/webhooks/twilio`, to which Twilio sends delivery reports",
        form="URL",
        default_text="no reports: an accepted text message counts as received",
        read_by="worker, API",
    )
    webhook_url: _BaseUrl | None = setting(
        None,
        "the public URL to which Twilio sends events of [messages of your own](sources/twilio.md)",
        form="`https://connector.example.com/webhooks/twilio`",
        default_text="that of `CONNECTOR_TWILIO_STATUS_CALLBACK`",
        read_by="API",
    )
    api_url: _BaseUrl = setting("https://api.twilio.com", "the URL of Twilio's API", form="URL")
    timeout: _Timeout = setting(_TIMEOUT, "the timeout of one text message")

    def find_contradictions(self) -> Iterator[str]:
        """Yield a sentence for each group of settings that do not go together."""
        account, token = "CONNECTOR_TWILIO_ACCOUNT_SID", "CONNECTOR_TWILIO_AUTH_TOKEN"
        key, secret = "CONNECTOR_TWILIO_API_KEY", "CONNECTOR_TWILIO_API_SECRET"
        if self.webhook_url is not None and self.auth_token is None:
            yield f"CONNECTOR_TWILIO_WEBHOOK_URL needs {token}, which Twilio signs its calls with"
        if (self.api_key is None) != (self.api_secret is None):
            yield f"{key} and {secret} go together; set both"
        if self.account_sid is None:
            return
        if self.auth_token is None and self.api_key is None:
            yield f"{account} needs {token}, or {key} and {secret}, to sign in with"
        if not self.sender and self.messaging_service_sid is None:
            yield f"{account} needs CONNECTOR_TWILIO_SENDER or CONNECTOR_TWILIO_MESSAGING_SERVICE_SID to send from"
        if self.status_callback is not None and self.auth_token is None:
            yield f"CONNECTOR_TWILIO_STATUS_CALLBACK needs {token}, which Twilio signs its reports with"


class Fcm(Section):
    """The service account that sends push."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_FCM_", extra="ignore")
    title: ClassVar[str] = "Push"
    read_by: ClassVar[str] = "worker"

    credentials: Path | None = setting(
        None,
        "the key file of the service account that sends push",
        form="file",
        default_text="no push is sent",
        read_by="worker, API",
    )
    project: str | None = setting(None, "the Firebase project", default_text="the key file's")
    token_url: _BaseUrl | None = setting(
        None, "the URL that grants access tokens", form="URL", default_text="the key file's"
    )
    api_url: _BaseUrl = setting("https://fcm.googleapis.com", "the URL of FCM's API", form="URL")
    timeout: _Timeout = setting(_TIMEOUT, "the timeout of one push, for all devices of a user")
