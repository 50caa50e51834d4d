"""Where requests may come from: the hosts under which the console answers, and the origin of its own pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from connector.rules.model.errors import ConnectorError
from starter.api.access.origins import is_loopback

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?")


class ConsoleNotPublic(ConnectorError):
    """The console must not listen beyond loopback without a public URL."""


@dataclass(frozen=True)
class Addresses:
    """The addresses of the console.

    Args:
        public_url: where people open it, without a path; None: on loopback only.
    """

    public_url: str | None

    @property
    def is_https(self) -> bool:
        """Whether people reach the console over https, so that its cookies must not be sent without it."""
        return self.public_url is not None and self.public_url.startswith("https://")

    def is_host(self, headers: Headers) -> bool:
        """Whether the header Host names the console. Other names are DNS rebinding: a foreign page that points here."""
        hosts = headers.getlist("host")
        if len(hosts) != 1:
            return False
        if self.public_url is not None and hosts[0].lower() == urlsplit(self.public_url).netloc:
            return True
        name = _HOST.fullmatch(hosts[0])
        return name is not None and is_loopback(name[1])

    def is_own_origin(self, headers: Headers) -> bool:
        """Whether a page of the console sends the request: browsers name the origin of forms, calls and websockets."""
        origins, host = headers.getlist("origin"), headers.get("host", "").lower()
        if len(origins) != 1 or headers.get("sec-fetch-site", "same-origin") != "same-origin":
            return False
        origin = origins[0].lower()
        if self.public_url is not None and origin == self.public_url:
            return host == urlsplit(origin).netloc
        scheme, _, netloc = origin.partition("://")
        return scheme in ("http", "https") and netloc == host and not self._is_public(host)

    def _is_public(self, host: str) -> bool:
        return self.public_url is not None and host == urlsplit(self.public_url).netloc


def check_public(host: str, public_url: str | None) -> None:
    """Raise ConsoleNotPublic if the console would listen beyond loopback without a public URL."""
    if not is_loopback(host) and public_url is None:
        raise ConsoleNotPublic(
            f"the console does not listen on {host} without CONNECTOR_CONSOLE_PUBLIC_URL, the address under which "
            "people open it, like https://console.shop.example"
        )
