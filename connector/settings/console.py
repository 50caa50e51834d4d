"""Settings of the web console: CONNECTOR_CONSOLE_*."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import field_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.durations import Duration, between
from connector.settings.environment import Section, setting

_PUBLIC_URL = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")


class ConsoleSettings(Section):
    """Where the console listens, under which address people reach it, and how long they stay signed in."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_CONSOLE_", extra="ignore")
    title: ClassVar[str] = "Console"
    read_by: ClassVar[str] = "console"

    host: str = setting("127.0.0.1", "the address on which `connector console` listens; `--host` overrides it")
    port: int = setting(8090, "the port, 0 for any free one; `--port` overrides it", ge=0, le=65535)
    public_url: str | None = setting(
        None,
        "the address under which people open the console, without a path; needed to listen beyond loopback; with https "
        "cookies are sent over https only; see [console](console.md#behind-a-proxy)",
        form="`https://console.shop.example`",
        default_text="loopback only",
    )
    interval: Annotated[Duration, between(timedelta(seconds=1), timedelta(minutes=10))] = setting(
        timedelta(seconds=5),
        "how often live counts are read while a page shows them, once for all pages together",
    )
    session_lifetime: Annotated[Duration, between(timedelta(minutes=1), timedelta(days=30))] = setting(
        timedelta(hours=12), "when a sign-in ends, whatever happens"
    )
    session_idle: Annotated[Duration, between(timedelta(minutes=1), timedelta(days=30))] = setting(
        timedelta(hours=1), "when a sign-in ends without a click or key"
    )

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, url: str | None) -> str | None:
        if url is not None and not _PUBLIC_URL.fullmatch(url):
            raise ValueError("write the address of the console without a path, like https://console.shop.example")
        return None if url is None else url.rstrip("/").lower()
