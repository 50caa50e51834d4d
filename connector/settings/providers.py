"""Settings of the providers that send email, sms and push: CONNECTOR_SMTP_*, CONNECTOR_TWILIO_*, CONNECTOR_FCM_*."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.environment import Section
from connector.settings.signing import ProviderSecret

MAX_SEND_SECONDS = 25
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
_SendSeconds = Annotated[float, Field(gt=0, le=MAX_SEND_SECONDS)]


class Smtp(Section):
    """The server that sends email. TLS is `starttls` (the default), `implicit` or `none`.

    `provider` names the company that runs the server, so that each mail carries its header with the delivery id; None:
    no such header.
    """

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SMTP_", extra="ignore")

    host: str | None = None
    port: int = Field(default=587, ge=1, le=65535)
    username: str | None = None
    password: _Password | None = None
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    sender: str | None = None
    provider: SmtpProvider | None = None
    timeout_seconds: _SendSeconds = 20.0


class Twilio(Section):
    """The account that sends sms. It signs in with the API key if there is one; the auth token verifies reports."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_TWILIO_", extra="ignore")

    account_sid: Annotated[str, _sid("AC")] | None = None
    auth_token: ProviderSecret | None = None
    api_key: Annotated[str, _sid("SK")] | None = None
    api_secret: ProviderSecret | None = None
    sender: str | None = None
    messaging_service_sid: Annotated[str, _sid("MG")] | None = None
    status_callback: _BaseUrl | None = None
    webhook_url: _BaseUrl | None = None
    api_url: _BaseUrl = "https://api.twilio.com"
    timeout_seconds: _SendSeconds = 20.0

    @model_validator(mode="after")
    def _check_webhook(self) -> Self:
        if self.webhook_url is not None and self.auth_token is None:
            raise ValueError("WEBHOOK_URL needs AUTH_TOKEN, which Twilio signs its calls with")
        return self

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("API_KEY and API_SECRET go together")
        if self.account_sid is None:
            return self
        if self.auth_token is None and self.api_key is None:
            raise ValueError("ACCOUNT_SID needs AUTH_TOKEN, or API_KEY and API_SECRET, to sign in with")
        if not self.sender and self.messaging_service_sid is None:
            raise ValueError("ACCOUNT_SID needs SENDER or MESSAGING_SERVICE_SID to send from")
        if self.status_callback is not None and self.auth_token is None:
            raise ValueError("STATUS_CALLBACK needs AUTH_TOKEN, which Twilio signs its reports with")
        return self


class Fcm(Section):
    """The service account that sends push. By default `project` and `token_url` are those of its credentials."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_FCM_", extra="ignore")

    credentials: Path | None = None
    project: str | None = None
    token_url: _BaseUrl | None = None
    api_url: _BaseUrl = "https://fcm.googleapis.com"
    timeout_seconds: _SendSeconds = 20.0
