"""Access to an inbox: by an inbox token of a browser or phone, by a client with a user token, or by a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security

from connector.app.context import AppContext
from connector.inbox.tokens import PREFIX, InboxTokens, InvalidInboxToken
from connector.store.engine.database import database_now
from connector.store.users.users import UserErased, find_identified, load_ids, resolve_and_lock
from starter.api.access.client import ClientKey, UserToken
from starter.api.access.key_schemes import BEARER_OR_TOKEN
from starter.api.access.scopes import Scope, caller_of, credentials_in
from starter.api.context import ContextHere
from starter.api.requests.admission import admit
from starter.api.requests.errors import ApiError
from starter.api.requests.pools import PoolName


@dataclass(frozen=True)
class InboxAccess:
    """Access to an inbox: of one user by a token (`user_key`), or of all users by a server's key (None).

    Args:
        may_read: whether responses may reveal stored data; for a key with `ingest` alone they may not.
    """

    user_key: str | None
    may_read: bool

    def visible_status(self, status: str) -> str:
        """Return the status to show: callers that may not read do not learn that a report was a duplicate."""
        return "accepted" if status == "duplicate" and not self.may_read else status


async def _read_access(
    request: Request,
    context: ContextHere,
    _scheme: Annotated[Any, Security(BEARER_OR_TOKEN, scopes=["read"])],
    _client: ClientKey,
    _token: UserToken = None,
) -> InboxAccess:
    return await _access_of(request, context, Scope.READ)


async def _write_access(
    request: Request,
    context: ContextHere,
    _scheme: Annotated[Any, Security(BEARER_OR_TOKEN, scopes=["ingest"])],
    _client: ClientKey,
    _token: UserToken = None,
) -> InboxAccess:
    return await _access_of(request, context, Scope.INGEST)


InboxReader = Annotated[InboxAccess, Depends(_read_access)]
"""For routes that read: an inbox token, a client with a user token, or a key with `read`."""
InboxWriter = Annotated[InboxAccess, Depends(_write_access)]
"""For routes that report: an inbox token, a client with a user token, or a key with `ingest`."""


async def _access_of(request: Request, context: AppContext, scope: Scope) -> InboxAccess:
    given = credentials_in(request)
    if given is None or given.is_basic or not given.as_text.startswith(PREFIX):
        caller = await caller_of(request, scope, or_client=True)
        if caller.user is None:
            return InboxAccess(None, caller.has_scope(Scope.READ))
        return InboxAccess(await user_key_of(context, caller.user), may_read=True)
    try:
        return InboxAccess(await _owner_of(request, context, given.as_text), may_read=True)
    except InvalidInboxToken as error:
        raise ApiError(401, "unauthorized", str(error), headers={"WWW-Authenticate": "Bearer"}) from None


async def _owner_of(request: Request, context: AppContext, token: str) -> str:
    """Return whose inbox a token opens. Raises InvalidInboxToken. A user without ids was erased; the routes say so."""
    tokens = inbox_tokens(context)
    grant = tokens.verify(token)
    await admit(request, PoolName.CLIENTS)
    async with context.database.read(context.workspace) as tx:
        user_key = grant.user_key_at(await database_now(tx))
        ids = await load_ids(tx, user_key)
    if ids:
        tokens.check_id(grant, ids)
    return user_key


async def user_key_of(context: AppContext, id: str) -> str:
    """Return the surrogate key of a user, whom this use identifies; an unknown one is created. Raises UserErased."""
    async with context.database.read(context.workspace) as tx:
        user_key = await find_identified(tx, id)
    if user_key is not None:
        return user_key
    async with context.database.write(context.workspace) as tx:
        known = await resolve_and_lock(tx, [id], await database_now(tx))
    if id not in known:
        raise UserErased
    return known[id]


def inbox_tokens(context: AppContext) -> InboxTokens:
    """Return the tokens of this workspace."""
    return InboxTokens(context.workspace, context.settings.inbox.secrets)
