"""Identify the caller of a request: the owner of a key or, in `connector dev`, anyone on this machine."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from connector.rules.model.api_keys import SERVER_SCOPES, PresentedKey, Scope, parse_key
from connector.rules.model.errors import ConnectorError
from connector.settings.application import DEFAULT_KEY_RATE
from connector.settings.client import DEFAULT_USER_RATE
from connector.settings.keys import ConfiguredKey
from starter.api.access.authorization import Credentials
from starter.api.access.failed_sign_ins import FailedSignIns
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.origins import refuse_web_pages
from starter.api.access.rate_limits import Clock, RateLimits
from starter.api.requests.errors import ApiError


class KeysMissing(ConnectorError):
    """The API must not listen without keys."""


@dataclass(frozen=True)
class Caller:
    """The identified caller.

    Args:
        id: the id of the key, for logs; None if no key is needed.
        rate: requests per second; None: the default.
        user: the id of the only user whom the caller may report about and read; None: any, for a server.
    """

    id: str | None
    scopes: frozenset[Scope]
    rate: float | None = None
    user: str | None = None

    @property
    def is_client(self) -> bool:
        """Whether the key is public, so that the caller has no rights but those of the user of a valid user token."""
        return Scope.CLIENT in self.scopes

    def has_scope(self, scope: Scope) -> bool:
        """Whether the caller has this scope; a client never has the scopes of a server's key."""
        return scope in self.scopes and not self.is_client


ANONYMOUS = Caller(None, SERVER_SCOPES)
"""Whoever calls from this machine where no key is needed."""


class Keys:
    """The valid keys.

    Args:
        fixed: the keys of CONNECTOR_API_KEYS. Logs call them `env-` and their name.
        stored: the keys in the store; None: there are none.
        is_open: without a key, callers on this machine that are not web pages have all scopes.
        rate: requests per second for keys that have no rate of their own.
        user_rate: requests per second of one user of a client, whatever the rate of the key.
    """

    def __init__(
        self,
        fixed: Sequence[ConfiguredKey] = (),
        *,
        stored: ApiKeyCache | None = None,
        is_open: bool = False,
        rate: float = DEFAULT_KEY_RATE,
        user_rate: float = DEFAULT_USER_RATE,
        clock: Clock = time.monotonic,
    ) -> None:
        self._fixed = [(_digest(key.key.get_secret_value().encode()), _configured_caller(key)) for key in fixed]
        self._stored, self._is_open = stored, is_open
        self._failures = FailedSignIns(clock)
        self._rate, self._user_rate, self._limits = rate, user_rate, RateLimits(clock)

    async def identify(self, request: Request, given: Credentials | None) -> Caller:
        """Return the caller of a request.

        Raises:
            ApiError: 401 without a valid key, 429 if the client has sent too many wrong ones; if no key is needed, 403
                for a request of a web page.
            StoreUnavailable: the stored keys have never been read.
        """
        if given is not None:
            caller = self._fixed_caller(given) or await self._stored_caller(request, given)
            if caller is not None:
                return caller
        if given is None and not self._is_open:
            raise unauthorized("a key is needed")
        if given is not None and (not self._is_open or await self._looks_like_a_key(given)):
            raise self._failures.refuse(request.scope, unauthorized("the key is not valid"))
        refuse_web_pages(request)
        return ANONYMOUS

    async def renew(self, caller: Caller, presented: PresentedKey | None) -> Caller | None:
        """Return a caller whom `identify` has returned, with the key's scopes of now; None if the key is not valid now.

        Args:
            presented: the stored key; None: the caller had a key of the settings or none, which hold with the process.

        Raises:
            StoreUnavailable: the stored keys have never been read.
        """
        if presented is None or self._stored is None:
            return caller
        found = await self._stored.find(presented, may_be_new=False)
        return None if found is None else Caller(found.id, found.scopes, found.rate)

    def count_request(self, caller: Caller) -> None:
        """Count a request against the rate of the caller's key, and first against that of its user, if it has one.

        So no user of a client uses up the rate of all others.

        Raises:
            ApiError: 429, with the time to wait.
        """
        if caller.id is None:
            return
        if caller.user is not None:
            self._take(f"{caller.id} {caller.user}", self._user_rate, "this user")
        self._take(caller.id, caller.rate or self._rate, "this key")

    @property
    def is_open(self) -> bool:
        """Whether callers on this machine need no key."""
        return self._is_open

    async def check_any_exist(self) -> None:
        """Raise KeysMissing if no caller could use the API; StoreUnavailable if the stored keys cannot be read."""
        if not self._is_open and not self._fixed and (self._stored is None or await self._stored.is_empty()):
            raise KeysMissing(
                "the API needs a key to listen: create one with `connector keys create --name NAME --scope SCOPE`, "
                "or set CONNECTOR_API_KEYS (only `connector dev` on loopback goes without)"
            )

    def _take(self, id: str, rate: float, who: str) -> None:
        seconds = self._limits.take(id, rate)
        if seconds > 0:
            wait = max(1, math.ceil(seconds))
            message = f"{who} may send {rate:g} requests a second; try again in {wait} s"
            raise ApiError(429, "rate_limited", message, headers={"Retry-After": str(wait)})

    def _fixed_caller(self, given: Credentials) -> Caller | None:
        digest = _digest(given.key)
        same = [caller for known, caller in self._fixed if hmac.compare_digest(digest, known)]
        return same[0] if same else None

    async def _stored_caller(self, request: Request, given: Credentials) -> Caller | None:
        key = parse_key(given.as_text)
        if self._stored is None or key is None:
            return None
        found = await self._stored.find(key, may_be_new=not self._failures.is_throttled(request.scope))
        return None if found is None else Caller(found.id, found.scopes, found.rate)

    async def _looks_like_a_key(self, given: Credentials) -> bool:
        """Whether credentials sent without need must be valid: they look like a key, or keys exist."""
        return self._stored is not None and (parse_key(given.as_text) is not None or not await self._stored.is_empty())


def unauthorized(wrong: str, right: str = "send the header `Authorization: Bearer KEY`") -> ApiError:
    """Return a 401 that names what is wrong and what would be right, usually a key."""
    return ApiError(401, "unauthorized", f"{wrong}; {right}", headers={"WWW-Authenticate": "Bearer"})


def _configured_caller(key: ConfiguredKey) -> Caller:
    return Caller(f"env-{key.name}", key.scopes)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
