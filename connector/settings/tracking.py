"""Settings of tracked links: CONNECTOR_TRACKING_*."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, PositiveInt, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.environment import Section
from connector.settings.signing import TokenSecrets

_BASE_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?")


class TrackingSettings(Section):
    """The address of tracked links, the secrets that sign them, and their lifetime; see docs/tracking.md.

    The first of `secrets` signs, all of them verify. Without a secret there is no tracking.
    """

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_TRACKING_", extra="ignore")

    url: str | None = None
    secrets: TokenSecrets = Field(default_factory=list)
    days: Annotated[PositiveInt, Field(le=3650)] = 400

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None and not _BASE_URL.fullmatch(url):
            raise ValueError("write the public address of the API, like https://links.shop.example")
        return None if url is None else url.rstrip("/")

    @model_validator(mode="after")
    def _check_complete(self) -> Self:
        if self.url is not None and not self.secrets:
            raise ValueError("URL needs SECRETS, which sign the links")
        return self

    @property
    def lifetime(self) -> timedelta:
        """For how long a link is valid."""
        return timedelta(days=self.days)
