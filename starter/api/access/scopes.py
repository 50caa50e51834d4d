"""The checks of a route: a valid key, within its rate, with the scopes that the route needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import cache
from typing import Any

from fastapi import Request, Security

from connector.rules.model.api_keys import Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.authorization import AuthorizationWrong, Credentials, read_authorization
from starter.api.access.callers import Caller, Keys, KeysMissing, unauthorized
from starter.api.access.client import ClientKey, UserToken, read_user
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.key_schemes import BASIC, BEARER
from starter.api.access.origins import is_loopback
from starter.api.requests.admission import admit
from starter.api.requests.errors import ApiError
from starter.api.requests.pools import PoolName

__all__ = [
    "Caller",
    "Keys",
    "KeysMissing",
    "Scope",
    "caller_of",
    "check_scopes",
    "credentials_in",
    "keys_for",
    "needs",
    "needs_or_client",
]


def keys_for(settings: Settings, host: str, database: Database) -> Keys:
    """Return the keys that are valid on this host: those of the settings and the stored ones."""
    return Keys(
        settings.api_keys,
        stored=ApiKeyCache(database, settings.workspace),
        is_open=not settings.api_keys and settings.dev and is_loopback(host),
        rate=settings.key_rate,
        user_rate=settings.client.user_rate,
    )


@cache
def needs(*scopes: Scope, pool: PoolName = PoolName.KEYED) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency of a route that requires a key with all of these scopes, as Bearer or Basic."""
    names = [scope.value for scope in scopes]
    bearer, basic = Security(BEARER, scopes=names), Security(BASIC, scopes=names)

    async def check(request: Request, _bearer: Any = bearer, _basic: Any = basic) -> Caller:
        return await caller_of(request, *scopes, pool=pool)

    return check


@cache
def needs_or_client(scope: Scope) -> Callable[..., Awaitable[Caller]]:
    """Return the dependency of a route that requires a key with this scope, or with `client` and a user token.

    The caller that it returns names the `user` of the token. The route must not do anything about another user.
    """
    names = [scope.value]
    bearer, basic = Security(BEARER, scopes=names), Security(BASIC, scopes=names)

    async def check(
        request: Request,
        _bearer: Any = bearer,
        _basic: Any = basic,
        _client: ClientKey = None,
        _token: UserToken = None,
    ) -> Caller:
        return await caller_of(request, scope, or_client=True)

    return check


async def caller_of(
    request: Request, *scopes: Scope, or_client: bool = False, pool: PoolName = PoolName.KEYED
) -> Caller:
    """Return the caller if the key has all of these scopes, and give the request its place.

    Repeated calls within one request count once.

    Args:
        or_client: a client with a user token may call, too; clients have a pool of their own.

    Raises:
        ApiError: 401, 429, 403 that names the missing scopes, or 503 if the pool is full.
        StoreUnavailable: the stored keys have never been read.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        caller = await _identify(request, or_client)
    is_permitted_client = or_client and caller.user is not None
    if not is_permitted_client:
        check_scopes(caller, *scopes)
    await admit(request, PoolName.CLIENTS if is_permitted_client else pool)
    return caller


def check_scopes(caller: Caller, *scopes: Scope) -> None:
    """Check that the caller has all of these scopes.

    Raises:
        ApiError: 403 that names the missing scopes.
    """
    if missing := [scope.value for scope in scopes if not caller.has_scope(scope)]:
        message = (
            f"the key lacks the scope {' and '.join(missing)}; it has {', '.join(sorted(caller.scopes)) or 'none'}"
        )
        raise ApiError(403, "forbidden", message, details={"missing": missing})


async def _identify(request: Request, or_client: bool) -> Caller:
    """Return the caller, and count the request.

    A client's key is public, so its requests that are refused, because it may not call the route or has no valid user
    token, do not count: an attacker cannot use up the rate of the users.
    """
    keys: Keys = request.app.state.keys
    given = credentials_in(request)
    caller = request.state.caller = await keys.identify(request, given)
    if caller.is_client:
        if not or_client:
            return caller
        caller = request.state.caller = replace(caller, user=read_user(request, given))
    keys.count_request(caller)
    return caller


def credentials_in(request: Request) -> Credentials | None:
    """Return the key or token of a request, None if it has none. Raises ApiError (401) if it cannot be read."""
    try:
        return read_authorization(request.headers)
    except AuthorizationWrong:
        raise unauthorized("the header Authorization cannot be read") from None
