"""What a route asks of its caller: a key that is valid, not over its rate, and has the scopes that the route needs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any

from fastapi import Request, Security

from connector.rules.model.api_keys import Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.authorization import AuthorizationWrong, Given, read_authorization
from starter.api.access.callers import Caller, Keys, KeysMissing, unauthorized
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.key_schemes import BASIC, BEARER
from starter.api.access.loopback import is_loopback
from starter.api.requests.errors import ApiError

__all__ = ["Caller", "Keys", "KeysMissing", "Scope", "caller_of", "given_in", "keys_for", "needs"]


def keys_for(settings: Settings, host: str, database: Database) -> Keys:
    """The keys to ask for on this host: those of the settings, and the stored ones.

    Raises:
        KeysMissing: one of CONNECTOR_API_KEYS is empty.
    """
    fixed = [key.get_secret_value() for key in settings.api_keys]
    if any(not key.strip() for key in fixed):
        raise KeysMissing("CONNECTOR_API_KEYS has an empty key; use long random ones")
    return Keys(
        fixed,
        ring=ApiKeyCache(database, settings.workspace),
        is_open=not fixed and settings.dev and is_loopback(host),
        rate=settings.key_rate,
    )


@cache
def needs(*scopes: Scope) -> Callable[..., Awaitable[Caller]]:
    """The dependency of a route that asks for a key with all of these scopes, as a bearer or as a user name."""
    names = [scope.value for scope in scopes]
    bearer, basic = Security(BEARER, scopes=names), Security(BASIC, scopes=names)

    async def check(request: Request, _told: Any = bearer, _told_too: Any = basic) -> Caller:
        return await caller_of(request, *scopes)

    return check


async def caller_of(request: Request, *scopes: Scope) -> Caller:
    """Who calls, if their key has all of these scopes. Asked again within one request, it counts once.

    Raises:
        ApiError: 401, 429, or 403 that names what is missing.
        StoreUnavailable: no stored key is known yet.
    """
    caller: Caller | None = getattr(request.state, "caller", None)
    if caller is None:
        keys: Keys = request.app.state.keys
        caller = await keys.identify(request, given_in(request))
        request.state.caller = caller
        keys.count(caller)
    if missing := [scope.value for scope in scopes if not caller.may(scope)]:
        message = (
            f"the key lacks the scope {' and '.join(missing)}; it has {', '.join(sorted(caller.scopes)) or 'none'}"
        )
        raise ApiError(403, "forbidden", message, details={"missing": missing})
    return caller


def given_in(request: Request) -> Given | None:
    """What was sent as a key or token; None: nothing. Raises ApiError: 401 for what cannot be read."""
    try:
        return read_authorization(request.headers)
    except AuthorizationWrong:
        raise unauthorized("the header Authorization cannot be read") from None
