"""API keys for the API, the command line and the console: created, listed, rotated and revoked, as JSON values.

Whoever may call these decides about every scope: the API asks for `admin`, the command line for the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.model.api_keys import Key, Scope, parse_key
from connector.rules.model.audit import Actor
from connector.rules.model.values import format_instant
from starter.operations.api_keys import ApiKeyService, IssuedKey, load_keys


async def list_api_keys(context: StoreContext) -> dict[str, Any]:
    """Return every key with its state, oldest first, without secrets."""
    listed, now = await load_keys(context.database, context.workspace)
    return {"keys": [_view(key, now) for key in listed]}


async def create_api_key(
    context: StoreContext,
    actor: Actor,
    *,
    name: str,
    scopes: Sequence[Scope],
    rate: float | None = None,
    lifetime: timedelta | None = None,
    reason: str | None = None,
) -> dict[str, Any]:
    """Create a key and return it with its secret, which nothing can show again.

    Args:
        rate: requests per second; None: the API's default. lifetime: None: it does not expire.

    Raises:
        ScopesWrong: no key may have these scopes together; nothing was created. StoreUnavailable.
    """
    ordered = tuple(known for known in Scope if known in scopes)
    return _view_issued(await _service(context, actor, reason).create(name, ordered, rate=rate, lifetime=lifetime))


async def rotate_api_key(
    context: StoreContext, actor: Actor, id: str, *, overlap: timedelta, reason: str | None = None
) -> dict[str, Any]:
    """Create a key like another and return it with its secret; the other one expires after `overlap` at most.

    Raises:
        KeyUnknown, KeyEnded: nothing was created. StoreUnavailable.
    """
    return _view_issued(await _service(context, actor, reason).rotate(_id_in(id), overlap=overlap))


async def revoke_api_key(context: StoreContext, actor: Actor, id: str, *, reason: str | None = None) -> dict[str, Any]:
    """Revoke a key; one that was revoked earlier does not change. Raises KeyUnknown, StoreUnavailable."""
    key = await _service(context, actor, reason).revoke(_id_in(id))
    return {"id": key.id, "name": key.name, "revoked_at": format_instant(key.revoked_at)}


def _service(context: StoreContext, actor: Actor, reason: str | None) -> ApiKeyService:
    return ApiKeyService(context.database, context.workspace, actor, reason=reason)


def _id_in(text: str) -> str:
    """Return the id; of a whole key only its id, so that no message shows the secret."""
    key = parse_key(text)
    return text if key is None else key.id


def _view_issued(issued: IssuedKey) -> dict[str, Any]:
    key, old = issued.key, issued.replaces
    replaced = {} if old is None else {"replaces": {"id": old.id, "expires_at": format_instant(old.expires_at)}}
    return {"key": issued.secret.text, **_view(key, key.created_at), **replaced}


def _view(key: Key, now: datetime) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "rate": key.rate,
        "state": key.state_at(now),
        "created_at": format_instant(key.created_at),
        "expires_at": format_instant(key.expires_at),
        "revoked_at": format_instant(key.revoked_at),
    }
