"""Who calls: the holder of a key, or in `connector dev` anybody on this machine."""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import Request

from connector.rules.model.api_keys import Scope, read_key
from connector.rules.model.errors import ConnectorError
from connector.settings.application import DEFAULT_KEY_RATE
from starter.api.access.authorization import Given
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.loopback import refuse_web_pages
from starter.api.access.rate_limits import Clock, RateLimits
from starter.api.requests.errors import ApiError


class KeysMissing(ConnectorError):
    """The API may not listen without keys."""


@dataclass(frozen=True)
class Caller:
    """Who calls.

    Args:
        id: the key's, for logs; None: nobody in particular, where no key is needed.
        rate: requests a second; None: the default.
    """

    id: str | None
    scopes: frozenset[Scope]
    rate: float | None = None

    def may(self, scope: Scope) -> bool:
        """Whether the key has this scope."""
        return scope in self.scopes


_EVERYTHING = frozenset(Scope)
_ANYBODY = Caller(None, _EVERYTHING)


class Keys:
    """The keys that are valid.

    Args:
        fixed: keys as they are sent, with all scopes: those of CONNECTOR_API_KEYS. They are `env-1`, `env-2` … in logs.
        ring: the stored keys; None: there are none.
        is_open: who sends no key may do everything, if they call from this machine and are no web page.
        rate: requests a second for keys that have no rate of their own.
    """

    def __init__(
        self,
        fixed: Sequence[str] = (),
        *,
        ring: ApiKeyCache | None = None,
        is_open: bool = False,
        rate: float = DEFAULT_KEY_RATE,
        clock: Clock = time.monotonic,
    ) -> None:
        self._fixed = [(f"env-{place}", _digest(key.encode())) for place, key in enumerate(fixed, 1)]
        self._ring, self._is_open, self._rate, self._limits = ring, is_open, rate, RateLimits(clock)

    async def identify(self, request: Request, given: Given | None) -> Caller:
        """Who sent this request.

        Raises:
            ApiError: 401 without a valid key; where none is needed, 403 for what a web page sent.
            StoreUnavailable: no stored key is known yet.
        """
        if given is not None:
            caller = self._fixed_caller(given) or await self._stored_caller(given)
            if caller is not None:
                return caller
        if not self._is_open:
            raise unauthorized("a key is needed" if given is None else "the key is not valid")
        if given is not None and await self._is_meant_as_one(given):
            raise unauthorized("the key is not valid")
        refuse_web_pages(request)
        return _ANYBODY

    def count(self, caller: Caller) -> None:
        """Count a request against the rate of the caller's key. Raises ApiError: 429 with the time to wait."""
        if caller.id is None:
            return
        rate = caller.rate or self._rate
        seconds = self._limits.take(caller.id, rate)
        if seconds > 0:
            wait = max(1, math.ceil(seconds))
            message = f"this key may send {rate:g} requests a second; try again in {wait} s"
            raise ApiError(429, "rate_limited", message, headers={"Retry-After": str(wait)})

    async def require_any(self) -> None:
        """Raises KeysMissing where nobody could call; StoreUnavailable where it cannot be said."""
        if not self._is_open and not self._fixed and (self._ring is None or await self._ring.is_empty()):
            raise KeysMissing(
                "the API needs a key to listen: make one with `connector keys create --name NAME --scope SCOPE`, "
                "or set CONNECTOR_API_KEYS='[\"a long random key\"]' (only `connector dev` on loopback goes without)"
            )

    def _fixed_caller(self, given: Given) -> Caller | None:
        digest = _digest(given.key)
        same = [id for id, known in self._fixed if hmac.compare_digest(digest, known)]
        return Caller(same[0], _EVERYTHING) if same else None

    async def _stored_caller(self, given: Given) -> Caller | None:
        key = read_key(given.text)
        if self._ring is None or key is None:
            return None
        found = await self._ring.find(key)
        return None if found is None else Caller(found.id, found.scopes, found.rate)

    async def _is_meant_as_one(self, given: Given) -> bool:
        """Where no key is needed, whether what was sent has to be one: it looks like one, or there are some."""
        return self._ring is not None and (read_key(given.text) is not None or not await self._ring.is_empty())


def unauthorized(wrong: str) -> ApiError:
    """401 that says how a key is sent."""
    message = f"{wrong}; send the header `Authorization: Bearer KEY`"
    return ApiError(401, "unauthorized", message, headers={"WWW-Authenticate": "Bearer"})


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
