"""Settings, read from the environment (CONNECTOR_*) and from nowhere else. Temporal's own are TEMPORAL_*."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Smtp(BaseSettings):
    """Where email leaves. TLS is `starttls` (the default), `implicit` or `none`."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_SMTP_", extra="ignore")

    host: str | None = None
    port: int = 587
    username: str | None = None
    password: SecretStr | None = None
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    sender: str | None = None
    timeout_seconds: float = 20.0


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_", extra="ignore")

    workspace: str = "default"
    dev: bool = False
    data: Path = Path(".connector")
    database_url: str | None = None
    api_keys: list[SecretStr] = []
    api_host: str = "127.0.0.1"
    api_port: int = 8080
    retention_days: int = 90
    smtp: Smtp = Field(default_factory=Smtp)
    send_timeout: timedelta = timedelta(seconds=20)
    channel_rates: dict[str, float] = {}
    channel_concurrency: int = 50
    webhook_secret: SecretStr | None = None
    webhook_allow_private: bool = False
    sweep_seconds: float = 5.0
    log_format: Literal["auto", "pretty", "json"] = "auto"

    @property
    def database(self) -> str:
        """The SQLAlchemy URL: as set, else the SQLite file in the data folder."""
        return self.database_url or f"sqlite+aiosqlite:///{(self.data / 'connector.db').resolve()}"
