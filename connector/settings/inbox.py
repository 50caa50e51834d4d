"""Settings of the inbox of client apps: CONNECTOR_INBOX_*."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, ClassVar

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from connector.rules.model.inbox import EXPIRY_DAYS, PRIORITIES, InboxKind
from connector.settings.durations import Duration, between
from connector.settings.environment import Section, setting
from connector.settings.signing import Origins, TokenLifetime, TokenSecrets

_Expiry = Annotated[Duration, between(timedelta(minutes=1), timedelta(days=3650))]
_EXPIRY = {kind: timedelta(days=days) for kind, days in EXPIRY_DAYS.items()}


class InboxSettings(Section):
    """Tokens and origins, and by kind of message its expiry and its priority; see docs/inbox.md."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_INBOX_", extra="ignore")
    title: ClassVar[str] = "Inbox"
    read_by: ClassVar[str] = "worker, API"

    secrets: TokenSecrets = setting(
        [],
        "secrets for inbox tokens of browsers and phones, each at least 32 characters: the first one signs, all are "
        "accepted",
        form='JSON: `["a long random text"]`',
        default_text="none: no tokens are created",
        read_by="API",
    )
    token_lifetime: TokenLifetime = setting(
        timedelta(days=1),
        "the lifetime of an inbox token",
        read_by="API",
    )
    origins: Origins = setting(
        [],
        "the origins of web pages that may use the inbox",
        form='JSON: `["https://shop.example"]`',
        read_by="API",
    )
    expiry: dict[InboxKind, _Expiry] = setting(
        _EXPIRY,
        "for how long a message is shown, by kind",
        form='JSON: `{"content_card": "14 days"}`',
        default_text="30 days for each kind",
    )
    priorities: dict[InboxKind, Annotated[int, Field(ge=-1000, le=1000)]] = setting(
        dict(PRIORITIES),
        "the priority by kind, higher before lower",
        form='JSON: `{"news_feed_card": 2}`',
        default_text="`in_app_message` 1, cards 0",
    )

    @field_validator("expiry", mode="before")
    @classmethod
    def _complete_expiry(cls, given: Any) -> Any:
        return {**_EXPIRY, **given} if isinstance(given, Mapping) else given

    @field_validator("priorities", mode="before")
    @classmethod
    def _complete_priorities(cls, given: Any) -> Any:
        return {**PRIORITIES, **given} if isinstance(given, Mapping) else given
