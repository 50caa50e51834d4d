"""The settings of the providers of sms and push, read from CONNECTOR_TWILIO_* and CONNECTOR_FCM_*."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LONGEST_SEND = 25
"""Seconds; an attempt of the activity has 30, so that a slow provider's answer is still heard (guarantee 4)."""


def _address(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("write an address that begins with https:// and a host")
    return text.rstrip("/")


Address = Annotated[str, AfterValidator(_address)]
# An empty one would sign reports that everybody can make.
_Secret = Annotated[SecretStr, Field(min_length=1)]
_Seconds = Annotated[float, Field(gt=0, le=LONGEST_SEND)]


def _sid(kind: str) -> StringConstraints:
    return StringConstraints(pattern=rf"^{kind}[0-9a-fA-F]{{32}}$")


class Twilio(BaseSettings):
    """Where sms leaves. An API key signs in where there is one; reports are always signed with the auth token."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_TWILIO_", extra="ignore")

    account_sid: Annotated[str, _sid("AC")] | None = None
    auth_token: _Secret | None = None
    api_key: Annotated[str, _sid("SK")] | None = None
    api_secret: _Secret | None = None
    sender: str | None = None
    messaging_service_sid: Annotated[str, _sid("MG")] | None = None
    status_callback: Address | None = None
    webhook_url: Address | None = None
    api_url: Address = "https://api.twilio.com"
    timeout_seconds: _Seconds = 20.0

    @model_validator(mode="after")
    def _proven(self) -> Self:
        if self.webhook_url is not None and self.auth_token is None:
            raise ValueError("WEBHOOK_URL needs AUTH_TOKEN, which Twilio signs its calls with")
        return self

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise ValueError("API_KEY and API_SECRET go together")
        if self.account_sid is None:
            return self
        if self.auth_token is None and self.api_key is None:
            raise ValueError("ACCOUNT_SID needs AUTH_TOKEN, or API_KEY and API_SECRET, to sign in with")
        if not self.sender and self.messaging_service_sid is None:
            raise ValueError("ACCOUNT_SID needs SENDER or MESSAGING_SERVICE_SID to send from")
        if self.status_callback is not None and self.auth_token is None:
            raise ValueError("STATUS_CALLBACK needs AUTH_TOKEN, which Twilio signs its reports with")
        return self


class Fcm(BaseSettings):
    """Where push leaves. `project` and `token_url` are the service account's own unless told."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_FCM_", extra="ignore")

    credentials: Path | None = None
    project: str | None = None
    token_url: Address | None = None
    api_url: Address = "https://fcm.googleapis.com"
    timeout_seconds: _Seconds = 20.0
