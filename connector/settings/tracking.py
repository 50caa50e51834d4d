"""Settings of tracked links: CONNECTOR_TRACKING_*."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, PositiveInt, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_SHORTEST_SECRET = 32
_BASE = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?")


class TrackingSettings(BaseSettings):
    """Where tracked links lead, what signs them, and for how long they are good; see docs/tracking.md.

    `secrets` is the key ring: the first signs, all verify. Without a secret there is no tracking.
    """

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_TRACKING_", extra="ignore")

    url: str | None = None
    secrets: list[SecretStr] = []
    days: Annotated[PositiveInt, Field(le=3650)] = 400

    @field_validator("url")
    @classmethod
    def _base(cls, url: str | None) -> str | None:
        if url is not None and not _BASE.fullmatch(url):
            raise ValueError("write the public address of the API, like https://links.shop.example")
        return None if url is None else url.rstrip("/")

    @field_validator("secrets")
    @classmethod
    def _long_enough(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        if any(len(secret.get_secret_value()) < _SHORTEST_SECRET for secret in secrets):
            raise ValueError(f"each must have at least {_SHORTEST_SECRET} characters; use long random ones")
        return secrets

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.url is not None and not self.secrets:
            raise ValueError("URL needs SECRETS, which sign the links")
        return self

    @property
    def lifetime(self) -> timedelta:
        """How long a link is good."""
        return timedelta(days=self.days)
