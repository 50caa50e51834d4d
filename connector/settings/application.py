"""The settings of the connector, read from CONNECTOR_* environment variables only. Temporal's own are TEMPORAL_*."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import (
    Field,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    StringConstraints,
    field_validator,
    model_validator,
)
from pydantic_settings import SettingsConfigDict

from connector.rules.model.api_keys import MAX_KEY_RATE
from connector.rules.model.values import ChannelName
from connector.settings.client import ClientSettings
from connector.settings.codec import CodecSettings
from connector.settings.collector import OtlpEndpoint
from connector.settings.environment import Section
from connector.settings.inbox import InboxSettings
from connector.settings.keys import ConfiguredKey, check_distinct, check_entries
from connector.settings.providers import MAX_SEND_SECONDS, Fcm, Smtp, Twilio
from connector.settings.signing import ReceiverHost, WebhookSecret, WebhookSigner
from connector.settings.tracking import TrackingSettings
from connector.settings.webhooks import MailgunWebhook, PostmarkWebhook, ResendWebhook, SendGridWebhook, SesWebhook

DEFAULT_KEY_RATE = 200.0
"""Requests per second of an API key that has no rate of its own."""
LinkHost = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[A-Za-z0-9.-]+$", to_lower=True)]
"""A host, or `*.` and a domain whose subdomains are meant."""
DEFAULT_MAX_CONNECTIONS = 512
"""Half of the files that a process may usually open."""
_MEBIBYTE = 1024 * 1024


class ApiLimits(Section):
    """The limits of concurrent work of the HTTP API; a request beyond them gets 503 at once (docs/load.md)."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_API_", extra="ignore")

    max_requests: PositiveInt = 128
    max_body_memory: int = Field(default=16 * _MEBIBYTE, ge=10 * _MEBIBYTE)
    body_seconds: PositiveFloat = 30.0
    max_connections: PositiveInt = DEFAULT_MAX_CONNECTIONS


class Settings(Section):
    """Everything that an operator can set; docs/settings.md describes each setting."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_", extra="ignore")

    workspace: str = "default"
    dev: bool = False
    data: Path = Path(".connector")
    database_url: SecretStr | None = None
    database_timeout_seconds: PositiveFloat = 15.0
    database_connections: int = Field(default=20, ge=4)
    api_keys: list[ConfiguredKey] = Field(default_factory=list)
    key_rate: float = Field(default=DEFAULT_KEY_RATE, gt=0, le=MAX_KEY_RATE, allow_inf_nan=False)
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8080, ge=0, le=65535)
    api_docs: bool = True
    api_trusted_proxies: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    api_limits: ApiLimits = Field(default_factory=ApiLimits)
    codec: CodecSettings = Field(default_factory=CodecSettings)
    retention_days: PositiveInt = 90
    smtp: Smtp = Field(default_factory=Smtp)
    twilio: Twilio = Field(default_factory=Twilio)
    fcm: Fcm = Field(default_factory=Fcm)
    send_timeout: timedelta = Field(
        default=timedelta(seconds=20), gt=timedelta(0), le=timedelta(seconds=MAX_SEND_SECONDS)
    )
    channel_rates: dict[ChannelName, PositiveFloat] = Field(default_factory=dict)
    channel_concurrency: PositiveInt = 50
    webhook_secret: WebhookSecret | None = None
    webhook_secrets: list[WebhookSecret] = Field(default_factory=list)
    webhook_receiver_secrets: dict[ReceiverHost, Annotated[list[WebhookSecret], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    erasure_secret: Annotated[SecretStr, Field(min_length=32)] | None = None
    webhook_allow_private: bool = False
    webhook_networks: list[IPv4Network | IPv6Network] = Field(default_factory=list)
    link_hosts: list[LinkHost] = Field(default_factory=list)
    client: ClientSettings = Field(default_factory=ClientSettings)
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
    otlp_endpoint: OtlpEndpoint | None = None

    _check_entries = field_validator("api_keys", mode="before")(check_entries)
    _check_distinct = field_validator("api_keys")(check_distinct)

    @model_validator(mode="after")
    def _check_webhook_secrets(self) -> Self:
        if self.webhook_secret is not None and self.webhook_secrets:
            raise ValueError("WEBHOOK_SECRET and WEBHOOK_SECRETS are both set; put all secrets into WEBHOOK_SECRETS")
        return self

    @property
    def database(self) -> str:
        """The SQLAlchemy URL: the configured one, else the URL of the SQLite file in the data folder."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite+aiosqlite:///{(self.data / 'connector.db').resolve()}"

    @property
    def provided_channels(self) -> frozenset[ChannelName]:
        """The channels that have a provider by these settings: all of them with `connector dev`, which prints them."""
        if self.dev or (self.data / "dev.json").exists():
            return frozenset(get_args(ChannelName))
        configured: dict[ChannelName, object] = {
            "email": self.smtp.host,
            "sms": self.twilio.account_sid,
            "push": self.fcm.credentials,
        }
        return frozenset(
            name for name in get_args(ChannelName) if name not in configured or configured[name] is not None
        )

    @property
    def webhook_signer(self) -> WebhookSigner:
        """The signer of the webhooks that the connector sends."""
        shared = self.webhook_secrets if self.webhook_secret is None else [self.webhook_secret]
        return WebhookSigner(shared, self.webhook_receiver_secrets)
