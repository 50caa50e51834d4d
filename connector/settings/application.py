"""The settings of the connector, read from CONNECTOR_* environment variables only. Temporal's own are TEMPORAL_*."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, PositiveInt, SecretStr, StringConstraints, field_validator
from pydantic_settings import SettingsConfigDict

from connector.rules.model.api_keys import MAX_KEY_RATE
from connector.rules.model.values import ChannelName, Id
from connector.settings.api_limits import ApiLimits
from connector.settings.client import ClientSettings
from connector.settings.codec import CodecSettings
from connector.settings.collector import OtlpEndpoint
from connector.settings.console import ConsoleSettings
from connector.settings.durations import Duration, DurationOrZero, between
from connector.settings.environment import Section, setting
from connector.settings.inbox import InboxSettings
from connector.settings.keys import ConfiguredKey, check_distinct, check_entries
from connector.settings.networks import Network
from connector.settings.providers import MAX_SEND, Fcm, Smtp, Twilio
from connector.settings.remote import RemoteSettings
from connector.settings.signing import ReceiverHost, WebhookSecret, WebhookSigner
from connector.settings.tracking import TrackingSettings
from connector.settings.webhooks import MailgunWebhook, PostmarkWebhook, ResendWebhook, SendGridWebhook, SesWebhook

DEFAULT_KEY_RATE = 200.0
"""Requests per second of an API key that has no rate of its own."""
LinkHost = Annotated[str, StringConstraints(pattern=r"^(\*\.)?[A-Za-z0-9.-]+$", to_lower=True)]
"""A host, or `*.` and a domain whose subdomains are meant."""
_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Settings(Section):
    """Everything that an operator can set; docs/settings.md describes each setting."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_", extra="ignore")
    title: ClassVar[str] = "Common settings"
    read_by: ClassVar[str] = "all"

    workspace: Id = setting("default", "the workspace of this process", form="id")
    data: Path = setting(
        Path(".connector"),
        "the data folder: the SQLite database, and the state of `connector dev`; `--data` overrides it",
        form="folder",
    )
    database_url: SecretStr | None = setting(
        None,
        "the database; SQLite for one machine only",
        form="`postgresql://USER:PASSWORD@HOST/NAME` or `sqlite:///FILE`",
        default_text="`connector.db` in the data folder",
    )
    database_timeout: Duration = setting(
        timedelta(seconds=15),
        "the deadline of a transaction, of each of its statements and lock waits, and of the wait for a connection; "
        "beyond it callers get 503, see [load](load.md)",
    )
    database_connections: int = setting(
        20,
        "the most connections of this process to PostgreSQL; the sum over all processes must be below PostgreSQL's "
        "`max_connections`",
        ge=4,
    )
    retention: Annotated[Duration, between(timedelta(days=1))] = setting(
        timedelta(days=90),
        "for how long interactions are kept; older ones are refused as `stale`, and what else is kept as long is in "
        "[operations](operations.md#retention-and-cleanup)",
    )
    keep_messages: Annotated[DurationOrZero, between(most=timedelta(days=3650))] = setting(
        timedelta(0),
        "for how long the texts of emails, text messages, pushes and webhooks are kept as they were rendered, for the "
        "pages of users and follow-ups; personal data, see [messages](erasure.md#messages-as-they-were-rendered)",
        default_text='`0 seconds`: they are not kept; `connector dev` keeps them for "30 days"',
        read_by="worker",
    )
    erasure_secret: Annotated[SecretStr, Field(min_length=32)] | None = setting(
        None,
        "the secret that the marks of erased users are made with, at least 32 characters; recommended on PostgreSQL, "
        "and never to be changed; see [erase users](erasure.md#marks)",
        default_text="a secret in the database",
    )
    log_format: Literal["auto", "pretty", "json"] = setting(
        "auto", "`auto`: readable lines (`pretty`) on a terminal, else JSON"
    )
    otlp_endpoint: OtlpEndpoint | None = setting(
        None,
        "the collector that receives traces, see [tracing](tracing.md)",
        form="`http://HOST:4318`",
        default_text="no traces",
        read_by="API, worker",
    )
    segment_mapping: Path | None = setting(
        None,
        "a YAML file that extends the mapping of events and traits of Segment's and RudderStack's SDKs; see "
        "[Segment](sources/segment.md)",
        default_text="the built-in mapping",
        read_by="API",
    )
    link_hosts: list[LinkHost] = setting(
        [],
        "hosts to which user data may lead a link; see [links](campaigns.md#values-in-messages)",
        form='JSON: `["hooks.partner.example", "*.shop.example"]`',
        default_text="none: `apply` refuses such links",
    )
    dev: bool = setting(
        False, "set by `connector dev`: channels without a provider print to the console, and loopback needs no key"
    )

    api_host: str = setting(
        "127.0.0.1", "the address on which `connector api` listens; `--host` overrides it", read_by="API"
    )
    api_port: int = setting(8080, "the port, 0 for any free one; `--port` overrides it", read_by="API", ge=0, le=65535)
    api_keys: list[ConfiguredKey] = setting(
        [],
        "keys in addition to those of `connector keys create`, each with its scopes; a key has at least 32 characters; "
        "see [keys](keys.md)",
        form='JSON: `[{"name": "deploy", "key": "…", "scopes": ["manage"]}]`',
        default_text="none; without any key `connector api` does not start",
        read_by="API, codec server",
    )
    key_rate: float = setting(
        DEFAULT_KEY_RATE,
        "requests per second that a key without its own rate may send to one API process",
        read_by="API",
        gt=0,
        le=MAX_KEY_RATE,
        allow_inf_nan=False,
    )
    build_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._+-]{1,128}$")] | None = setting(
        None,
        "the build of this worker, for Temporal's worker versioning: it gets tasks only while its build is current or "
        "ramping; all workers set it, or none; see [upgrades](upgrades.md#worker-versions)",
        form="such as the release, `0.2.0`",
        default_text="no versioning",
        read_by="worker",
    )
    worker_host: str = setting(
        "127.0.0.1",
        "the address on which the worker's own port listens; another one than loopback only on a network of your own, "
        "see [security](security.md)",
        read_by="worker",
    )
    worker_port: int | None = setting(
        None,
        "the worker's own port, without a key, for `/healthz`, `/readyz` and [`/metrics`](metrics.md); 0 for any free "
        "one",
        default_text="off",
        read_by="worker",
        ge=0,
        le=65535,
    )
    api_docs: bool = setting(True, "`false` removes `/docs` and `/openapi.json`", read_by="API")
    api_trusted_proxies: list[Network] = setting(
        [],
        "the networks of proxies whose `X-Forwarded-For` names the client; limits per client count by that address",
        form='JSON: `["10.0.0.0/8"]`',
        read_by="API, codec server",
    )
    api_limits: ApiLimits = Field(default_factory=ApiLimits)
    client: ClientSettings = Field(default_factory=ClientSettings)
    remote: RemoteSettings = Field(default_factory=RemoteSettings)
    console: ConsoleSettings = Field(default_factory=ConsoleSettings)
    temporal_ui_url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")] | None = setting(
        None,
        "the address of Temporal's Web UI, to which the console links",
        form="`https://temporal.shop.example`",
        default_text="no links; `connector dev` sets it",
        read_by="console",
    )

    channel_rates: dict[ChannelName, _Rate] = setting(
        {},
        "sends per second by channel, launches and follow-ups of all workers together; see [rates](channels.md#rates)",
        form='JSON: `{"email": 50}`',
        default_text="no limit",
        read_by="worker",
    )
    channel_concurrency: PositiveInt = setting(
        50, "concurrent sends in one worker, for each channel and for each launch", read_by="worker"
    )
    sweep_interval: Duration = setting(
        timedelta(seconds=5),
        "the time between sweeps of the outbox for missed starts and signals; a sweep also starts the follow-ups that "
        "the process which added them has not started for two sweeps",
    )
    reconcile_interval: Duration = setting(
        timedelta(minutes=1),
        "the time between checks for follow-ups that were terminated or cancelled in the Temporal UI",
        read_by="worker",
    )
    smtp: Smtp = Field(default_factory=Smtp)
    twilio: Twilio = Field(default_factory=Twilio)
    fcm: Fcm = Field(default_factory=Fcm)

    send_timeout: Annotated[Duration, between(most=MAX_SEND)] = setting(
        timedelta(seconds=20), "the timeout of one webhook", read_by="worker"
    )
    webhook_secrets: list[WebhookSecret] = setting(
        [],
        "the secrets that sign webhooks by Standard Webhooks, base64 of 24 to 64 bytes; each makes a signature of its "
        "own, so that receivers can change from one to the next",
        form='JSON: `["whsec_…"]`',
        default_text="unsigned",
        read_by="worker",
    )
    webhook_receiver_secrets: dict[ReceiverHost, Annotated[list[WebhookSecret], Field(min_length=1)]] = setting(
        {},
        "the secrets of single receivers, by host, instead of those above",
        form='JSON: `{"hooks.shop.example": ["whsec_…"]}`',
        read_by="worker",
    )
    webhook_secret: WebhookSecret | None = setting(
        None, "a single secret, if there is no list", form="`whsec_…`", read_by="worker"
    )
    webhook_networks: list[Network] = setting(
        [],
        "networks that webhooks may reach besides public addresses; a cloud's metadata never",
        form='JSON: `["10.1.0.0/16", "fd12::/48"]`',
        read_by="worker",
    )
    webhook_allow_private: bool = setting(
        False,
        "`true` allows webhooks to all private networks; prefer `CONNECTOR_WEBHOOK_NETWORKS`",
        read_by="worker",
    )
    inbox: InboxSettings = Field(default_factory=InboxSettings)
    tracking: TrackingSettings = Field(default_factory=TrackingSettings)
    codec: CodecSettings = Field(default_factory=CodecSettings)
    sendgrid_webhook: SendGridWebhook = Field(default_factory=SendGridWebhook)
    ses_webhook: SesWebhook = Field(default_factory=SesWebhook)
    mailgun_webhook: MailgunWebhook = Field(default_factory=MailgunWebhook)
    postmark_webhook: PostmarkWebhook = Field(default_factory=PostmarkWebhook)
    resend_webhook: ResendWebhook = Field(default_factory=ResendWebhook)

    _check_entries = field_validator("api_keys", mode="before")(check_entries)
    _check_distinct = field_validator("api_keys")(check_distinct)

    def find_contradictions(self) -> Iterator[str]:
        """Yield a sentence for each group of settings that do not go together."""
        if self.webhook_secret is not None and self.webhook_secrets:
            yield (
                "CONNECTOR_WEBHOOK_SECRET and CONNECTOR_WEBHOOK_SECRETS are both set; "
                "put all secrets into CONNECTOR_WEBHOOK_SECRETS"
            )

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
