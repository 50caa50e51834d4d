"""Settings of the inbox for client apps: CONNECTOR_INBOX_*."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, PositiveInt, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from connector.rules.model.inbox import EXPIRY_DAYS, PRIORITIES, InboxKind

_SHORTEST_SECRET = 32
_LONGEST_TOKEN = timedelta(days=30)
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/*\s?#]+")
_Days = Annotated[PositiveInt, Field(le=3650)]


class InboxSettings(BaseSettings):
    """Tokens, origins, and by kind of message how long one is shown and which goes first; see docs/inbox.md."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_INBOX_", extra="ignore")

    secrets: list[SecretStr] = []
    token_lifetime: timedelta = Field(default=timedelta(days=1), gt=timedelta(0), le=_LONGEST_TOKEN)
    origins: list[str] = []
    expiry_days: dict[InboxKind, _Days] = Field(default_factory=lambda: dict(EXPIRY_DAYS))
    priorities: dict[InboxKind, Annotated[int, Field(ge=-1000, le=1000)]] = Field(
        default_factory=lambda: dict(PRIORITIES)
    )

    @field_validator("secrets")
    @classmethod
    def _long_enough(cls, secrets: list[SecretStr]) -> list[SecretStr]:
        if any(len(secret.get_secret_value()) < _SHORTEST_SECRET for secret in secrets):
            raise ValueError(f"each must have at least {_SHORTEST_SECRET} characters; use long random ones")
        return secrets

    @field_validator("origins")
    @classmethod
    def _exact(cls, origins: list[str]) -> list[str]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin; write scheme://host[:port], without a path or *")
        return origins

    @field_validator("expiry_days", mode="before")
    @classmethod
    def _expiry_days(cls, told: Any) -> Any:
        return {**EXPIRY_DAYS, **told} if isinstance(told, Mapping) else told

    @field_validator("priorities", mode="before")
    @classmethod
    def _priorities(cls, told: Any) -> Any:
        return {**PRIORITIES, **told} if isinstance(told, Mapping) else told

    def expiry(self, kind: InboxKind) -> timedelta:
        """How long a message of this kind is shown."""
        return timedelta(days=self.expiry_days[kind])
