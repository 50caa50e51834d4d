"""What the HTTP API takes on at a time: CONNECTOR_API_MAX_* and CONNECTOR_API_BODY_SECONDS."""

from __future__ import annotations

from pydantic import Field, PositiveFloat, PositiveInt
from pydantic_settings import BaseSettings, SettingsConfigDict

_MEBIBYTE = 1024 * 1024


class ApiLimits(BaseSettings):
    """Beyond these requests are answered with 503 at once; see docs/load.md."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_API_", extra="ignore")

    max_requests: PositiveInt = 128
    max_body_memory: int = Field(default=16 * _MEBIBYTE, ge=10 * _MEBIBYTE)
    body_seconds: PositiveFloat = 30.0
