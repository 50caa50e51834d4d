"""Settings, read from the environment (CONNECTOR_*) and from nowhere else. Temporal's own are TEMPORAL_*."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connector.rules.model.api_keys import MOST_RATE
from connector.rules.model.values import ChannelName
from connector.settings.api import ApiLimits
from connector.settings.inbox import InboxSettings
from connector.settings.provider_headers import SmtpProvider
from connector.settings.providers import LONGEST_SEND, Fcm, Twilio
from connector.settings.signing import check_secret
from connector.settings.tracking import TrackingSettings
from connector.settings.webhooks import MailgunWebhook, PostmarkWebhook, ResendWebhook, SendGridWebhook, SesWebhook

DEFAULT_KEY_RATE = 200.0
"""Requests a second for an API key that has no rate of its own."""


class Smtp(BaseSettings):
    """Where email leaves. TLS is `starttls` (the default), `implicit` or `none`.

    `provider` is whose server it is, so that each mail tells it the delivery; None: nobody's who takes such a header.
    """

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SMTP_", extra="ignore")

    host: str | None = None
    port: int = Field(default=587, ge=1, le=65535)
    username: str | None = None
    password: SecretStr | None = None
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    sender: str | None = None
    provider: SmtpProvider | None = None
    timeout_seconds: float = Field(default=20.0, gt=0, le=LONGEST_SEND)


class Settings(BaseSettings):
    """Everything that an operator can set; docs/settings.md says what each is for."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_", extra="ignore")

    workspace: str = "default"
    dev: bool = False
    data: Path = Path(".connector")
    database_url: str | None = None
    api_keys: list[SecretStr] = []
    key_rate: float = Field(default=DEFAULT_KEY_RATE, gt=0, le=MOST_RATE, allow_inf_nan=False)
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535)
    api_limits: ApiLimits = Field(default_factory=ApiLimits)
    retention_days: PositiveInt = 90
    smtp: Smtp = Field(default_factory=Smtp)
    twilio: Twilio = Field(default_factory=Twilio)
    fcm: Fcm = Field(default_factory=Fcm)
    send_timeout: timedelta = Field(default=timedelta(seconds=20), gt=timedelta(0), le=timedelta(seconds=LONGEST_SEND))
    channel_rates: dict[ChannelName, PositiveFloat] = {}
    channel_concurrency: PositiveInt = 50
    webhook_secret: SecretStr | None = None
    webhook_allow_private: bool = False
    inbox: InboxSettings = Field(default_factory=InboxSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    sendgrid_webhook: SendGridWebhook = Field(default_factory=SendGridWebhook)
    ses_webhook: SesWebhook = Field(default_factory=SesWebhook)
    mailgun_webhook: MailgunWebhook = Field(default_factory=MailgunWebhook)
    postmark_webhook: PostmarkWebhook = Field(default_factory=PostmarkWebhook)
    resend_webhook: ResendWebhook = Field(default_factory=ResendWebhook)
    segment_mapping: Path | None = None
    sweep_seconds: PositiveFloat = 5.0
    reconcile_seconds: PositiveFloat = 60.0
    log_format: Literal["auto", "pretty", "json"] = "auto"

    @field_validator("webhook_secret")
    @classmethod
    def _usable(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None:
            check_secret(secret.get_secret_value())
        return secret

    @property
    def database(self) -> str:
        """The SQLAlchemy URL: as set, else the SQLite file in the data folder."""
        return self.database_url or f"sqlite+aiosqlite:///{(self.data / 'connector.db').resolve()}"
