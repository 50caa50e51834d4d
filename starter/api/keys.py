"""Who may call: holders of a bearer key, and on a developer's own machine everybody on it."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer

from connector.rules.errors import ConnectorError
from connector.settings import Settings
from starter.api.errors import ApiError


class KeysMissing(ConnectorError):
    """The API may not listen without keys."""


class Keys:
    """The keys that are valid; none at all lets everybody in who calls from this machine and means it."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._digests = [_digest(key) for key in keys]

    def check(self, request: Request, given: str | None) -> None:
        """Let the request pass.

        Raises:
            ApiError: 401 without a valid key; where none is needed, 403 for what a web page sent.
        """
        if not self._digests:
            _refuse_web_pages(request)
        elif given is None or not self._knows(given):
            wrong = "the key is not valid" if given else "a key is needed"
            message = f"{wrong}; send the header `Authorization: Bearer KEY`"
            raise ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})

    def _knows(self, given: str) -> bool:
        digest = _digest(given)
        return any([hmac.compare_digest(digest, known) for known in self._digests])


def keys_for(settings: Settings, host: str) -> Keys:
    """The keys to ask for on this host.

    Raises:
        KeysMissing: there are none, and this is not `connector dev` on a loopback address.
    """
    keys = [key.get_secret_value() for key in settings.api_keys]
    if any(not key.strip() for key in keys):
        raise KeysMissing("CONNECTOR_API_KEYS has an empty key; use long random ones")
    if keys or (settings.dev and is_loopback(host)):
        return Keys(keys)
    raise KeysMissing(
        "the API needs at least one key; set CONNECTOR_API_KEYS='[\"a long random key\"]' "
        "(only `connector dev` on a loopback address goes without)"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


_bearer = HTTPBearer(auto_error=False, description="One of CONNECTOR_API_KEYS")
_basic = HTTPBasic(auto_error=False, description="The key as the user name, as Segment's SDKs send it")


class Scope(StrEnum):
    """What a key may be used for."""

    INGEST = "ingest"
    READ = "read"
    MANAGE = "manage"


def needs(*scopes: Scope) -> Callable[..., Awaitable[None]]:
    """The dependency of a route that asks for a key with all of these scopes, as a bearer or as a user name."""

    async def check(
        request: Request,
        bearer: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
        basic: Annotated[HTTPBasicCredentials | None, Depends(_basic)],
    ) -> None:
        keys: Keys = request.app.state.keys
        keys.check(request, bearer.credentials if bearer else basic.username if basic else None)

    return check


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()


def _refuse_web_pages(request: Request) -> None:
    """A page in the developer's browser can reach loopback too, by its own name for it or across origins."""
    origin = request.headers.get("origin")
    hosts = [request.url.hostname, urlsplit(origin).hostname if origin else None]
    if not is_loopback(hosts[0] or "") or (origin and not is_loopback(hosts[1] or "")):
        raise ApiError(403, "forbidden", "without a key, only programs on this machine may call, by a loopback address")
