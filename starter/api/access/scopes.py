"""The checks of a route: a valid key, within its rate, with the scopes that the route needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from fastapi import Request, Security

from connector.rules.model.api_keys import Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.authorization import AuthorizationWrong, Credentials, read_authorization
from starter.api.access.callers import Caller, Keys, KeysMissing, unauthorized
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.key_schemes import BASIC, BEARER
from starter.api.access.origins import is_loopback
from starter.api.requests.admission import admit
from starter.api.requests.errors import ApiError
from starter.api.requests.pools import PoolName

__all__ = ["Caller", "Keys", "KeysMissing", "Scope", "caller_of", "credentials_in", "keys_for", "needs"]


def keys_for(settings: Settings, host: str, database: Database) -> Keys:
    """Return the keys that are valid on this host: those of the settings and the stored ones."""
    return Keys(
        settings.api_keys,
        stored=ApiKeyCache(database, settings.workspace),
        is_open=not settings.api_keys and settings.dev and is_loopback(host),
        rate=settings.key_rate,
    )


@cache
def needs(*scopes: Scope, pool: PoolName = PoolName.KEYED) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency of a route that requires a key with all of these scopes, as Bearer or Basic."""
    names = [scope.value for scope in scopes]
    bearer, basic = Security(BEARER, scopes=names), Security(BASIC, scopes=names)

    async def check(request: Request, _bearer: Any = bearer, _basic: Any = basic) -> Caller:
        return await caller_of(request, *scopes, pool=pool)

    return check


async def caller_of(request: Request, *scopes: Scope, pool: PoolName = PoolName.KEYED) -> Caller:
    """Return the caller if the key has all of these scopes, and give the request its place.

    Repeated calls within one request count once.

    Raises:
        ApiError: 401, 429, 403 that names the missing scopes, or 503 if the pool is full.
        StoreUnavailable: the stored keys have never been read.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        keys: Keys = request.app.state.keys
        caller = await keys.identify(request, credentials_in(request))
        request.state.caller = caller
        keys.count_request(caller)
    if missing := [scope.value for scope in scopes if not caller.has_scope(scope)]:
        message = (
            f"the key lacks the scope {' and '.join(missing)}; it has {', '.join(sorted(caller.scopes)) or 'none'}"
        )
        raise ApiError(403, "forbidden", message, details={"missing": missing})
    await admit(request, pool)
    return caller


def credentials_in(request: Request) -> Credentials | None:
    """Return the key or token of a request, None if it has none. Raises ApiError (401) if it cannot be read."""
    try:
        return read_authorization(request.headers)
    except AuthorizationWrong:
        raise unauthorized("the header Authorization cannot be read") from None
