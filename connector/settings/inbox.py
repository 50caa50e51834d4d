"""Settings of the inbox of client apps: CONNECTOR_INBOX_*."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, PositiveInt, field_validator
from pydantic_settings import SettingsConfigDict

from connector.rules.model.inbox import EXPIRY_DAYS, PRIORITIES, InboxKind
from connector.settings.environment import Section
from connector.settings.signing import Origins, TokenSecrets

_MAX_TOKEN_LIFETIME = timedelta(days=30)
_Days = Annotated[PositiveInt, Field(le=3650)]


class InboxSettings(Section):
    """Tokens and origins, and by kind of message its expiry and its priority; see docs/inbox.md."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_INBOX_", extra="ignore")

    secrets: TokenSecrets = Field(default_factory=list)
    token_lifetime: timedelta = Field(default=timedelta(days=1), gt=timedelta(0), le=_MAX_TOKEN_LIFETIME)
    origins: Origins = Field(default_factory=list)
    expiry_days: dict[InboxKind, _Days] = Field(default_factory=lambda: dict(EXPIRY_DAYS))
    priorities: dict[InboxKind, Annotated[int, Field(ge=-1000, le=1000)]] = Field(
        default_factory=lambda: dict(PRIORITIES)
    )

    @field_validator("expiry_days", mode="before")
    @classmethod
    def _complete_expiry_days(cls, given: Any) -> Any:
        return {**EXPIRY_DAYS, **given} if isinstance(given, Mapping) else given

    @field_validator("priorities", mode="before")
    @classmethod
    def _complete_priorities(cls, given: Any) -> Any:
        return {**PRIORITIES, **given} if isinstance(given, Mapping) else given

    def expiry(self, kind: InboxKind) -> timedelta:
        """Return for how long a message of this kind is shown."""
        return timedelta(days=self.expiry_days[kind])
