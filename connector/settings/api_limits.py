"""Settings of the limits of the HTTP API: CONNECTOR_API_*."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from pydantic import PositiveInt
from pydantic_settings import SettingsConfigDict

from connector.settings.durations import Duration
from connector.settings.environment import Section, setting

DEFAULT_MAX_CONNECTIONS = 512
"""Half of the files that a process may usually open."""
_MEBIBYTE = 1024 * 1024


class ApiLimits(Section):
    """The limits of concurrent work of the HTTP API; a request beyond them gets 503 at once (docs/load.md)."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_API_", extra="ignore")
    title: ClassVar[str] = "Limits of the API"
    read_by: ClassVar[str] = "API"

    max_requests: PositiveInt = setting(
        128,
        "requests in flight of servers; more get 503; apps, webhooks and unsubscriptions have half as many each, see "
        "[load](load.md#overload)",
    )
    max_body_memory: int = setting(
        16 * _MEBIBYTE,
        "bytes of request bodies in memory, at least 10 MiB; apps and webhooks each have half of this, or 10 MiB, for "
        "themselves",
        default_text="`16777216` (16 MiB)",
        ge=10 * _MEBIBYTE,
    )
    body_timeout: Duration = setting(
        timedelta(seconds=30), "the time for a request body to arrive; a slower request gets 408"
    )
    max_connections: PositiveInt = setting(
        DEFAULT_MAX_CONNECTIONS, "open connections; beyond them, idle ones are closed"
    )
