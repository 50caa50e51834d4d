"""Settings of the command line over HTTP: CONNECTOR_API_URL and CONNECTOR_API_KEY."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from connector.settings.environment import Section, setting

_URL = re.compile(r"https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~/-]*)?")
_KEY = re.compile(r"[\x21-\x7e]+")


def _is_here(host: str) -> bool:
    """Return whether the host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class RemoteSettings(Section):
    """The API that commands call, instead of the store of this machine; see docs/remote.md."""

    model_config = SettingsConfigDict(env_prefix="CONNECTOR_API_", extra="ignore")
    title: ClassVar[str] = "Commands over HTTP"
    read_by: ClassVar[str] = "command line"

    url: str | None = setting(
        None,
        "the API that commands call instead of opening the database; services and set-up refuse it, see "
        "[remote](remote.md)",
        form="`https://connector.shop.example`",
        default_text="commands use the database",
    )
    key: Annotated[SecretStr, Field(min_length=32)] | None = setting(
        None,
        "the key that commands send to that API; its scopes decide what they may do",
        form="`ck_…`",
        default_text="no key",
    )

    @field_validator("url")
    @classmethod
    def _check_url(cls, url: str | None) -> str | None:
        if url is not None and not _URL.fullmatch(url):
            raise ValueError("write the address of the API, like https://connector.shop.example")
        return None if url is None else url.rstrip("/")

    @field_validator("key")
    @classmethod
    def _check_key(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _KEY.fullmatch(key.get_secret_value()):
            raise ValueError("write a key of visible ASCII characters, as `connector keys create` prints it")
        return key

    @property
    def sends_key_unprotected(self) -> bool:
        """Whether the key goes over a network without TLS, so that whoever is on the way can read it."""
        parts = urlsplit(self.url or "")
        return self.key is not None and parts.scheme == "http" and not _is_here(parts.hostname or "")

    def find_contradictions(self) -> Iterator[str]:
        """Yield a sentence for each group of settings that do not go together."""
        if self.key is not None and self.url is None:
            yield "CONNECTOR_API_KEY needs CONNECTOR_API_URL, the API that it is for"
