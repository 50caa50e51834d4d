"""Settings of tracked links: CONNECTOR_TRACKING_*."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import field_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.durations import Duration, between, whole_days
from connector.settings.environment import Section, setting
from connector.settings.signing import TokenSecrets

_BASE_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?")


class TrackingSettings(Section):
    """The address of tracked links, the secrets that sign them, and their lifetime; see docs/tracking.md.

    The first of `secrets` signs, all of them verify. Without a secret there is no tracking.
    """

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_TRACKING_", extra="ignore")
    title: ClassVar[str] = "Tracking"
    read_by: ClassVar[str] = "worker, API"

    url: str | None = setting(
        None,
        "the public URL under which `/o`, `/c`, `/s` and `/u` of the API are reached; see [tracking](tracking.md)",
        form="`https://links.shop.example`",
        default_text="no tracking",
    )
    secrets: TokenSecrets = setting(
        [],
        "secrets for tracked links, each at least 32 characters: the first one signs, all verify; workers and API "
        "need the same",
        form='JSON: `["a long random text"]`',
        default_text="none: no tracking",
    )
    lifetime: Annotated[Duration, between(timedelta(days=1), timedelta(days=3650)), whole_days] = setting(
        timedelta(days=400),
        "for how long a tracked link is valid, in whole days",
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None and not _BASE_URL.fullmatch(url):
            raise ValueError("write the public address of the API, like https://links.shop.example")
        return None if url is None else url.rstrip("/")

    def find_contradictions(self) -> Iterator[str]:
        """Yield a sentence for each group of settings that do not go together."""
        if self.url is not None and not self.secrets:
            yield "CONNECTOR_TRACKING_URL needs CONNECTOR_TRACKING_SECRETS, which sign the links"
