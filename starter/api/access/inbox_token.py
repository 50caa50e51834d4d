"""Inbox tokens: minted for callers with a key, checked when a browser or phone sends one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from pydantic import BaseModel

from connector.app.context import AppContext
from connector.inbox.tokens import PREFIX, InboxTokens, InvalidInboxToken, MissingInboxSecret
from connector.store.engine.database import database_now
from connector.store.users.users import UserErased, resolve_and_lock
from starter.api.access.key_schemes import BEARER_OR_TOKEN
from starter.api.access.scopes import Scope, caller_of, credentials_in, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import body_of
from starter.api.requests.body import JsonOptions, validate
from starter.api.requests.errors import ApiError
from starter.api.routes.options import NoOptions
from starter.api.routes.users import UserId

router = APIRouter(prefix="/v1", tags=["inbox"])


class TokenView(BaseModel):
    """A token for one user's inbox, and when it expires (UTC)."""

    token: str
    expires_at: datetime


@router.post(
    "/users/{id}/inbox-token",
    dependencies=[Depends(needs(Scope.READ, Scope.INGEST))],
    openapi_extra=body_of("NoOptions", required=False),
)
async def mint_token(id: UserId, options: JsonOptions, context: ContextHere, response: Response) -> TokenView:
    """Mint a token with which a browser or phone reads and uses the inbox of this user. An unknown user is created.

    409 if no secret is set. Give the token to the user's own device only. It reads and writes, so the key must do both.
    """
    validate(NoOptions, options)
    try:
        async with context.database.write(context.workspace) as tx:
            now = await database_now(tx)
            user_key = (await resolve_and_lock(tx, [id], now)).get(id)
            if user_key is None:
                raise UserErased
            token, expires_at = _tokens(context).create(user_key, now, context.settings.inbox.token_lifetime)
    except MissingInboxSecret as error:
        raise ApiError(409, "not_set_up", str(error)) from None
    response.headers["Cache-Control"] = "no-store"
    return TokenView(token=token, expires_at=expires_at)


@dataclass(frozen=True)
class InboxAccess:
    """Access to an inbox: of one user by token (`user_key`), or of all users by key (None).

    Args:
        may_read: whether responses may reveal stored data; for a key with `ingest` alone they may not.
    """

    user_key: str | None
    may_read: bool

    def visible_status(self, status: str) -> str:
        """Return the status to show: callers that may not read do not learn that a report was a duplicate."""
        return "accepted" if status == "duplicate" and not self.may_read else status


async def _read_access(
    request: Request, context: ContextHere, _scheme: Annotated[Any, Security(BEARER_OR_TOKEN, scopes=["read"])]
) -> InboxAccess:
    return await _access_of(request, context, Scope.READ)


async def _write_access(
    request: Request, context: ContextHere, _scheme: Annotated[Any, Security(BEARER_OR_TOKEN, scopes=["ingest"])]
) -> InboxAccess:
    return await _access_of(request, context, Scope.INGEST)


InboxReader = Annotated[InboxAccess, Depends(_read_access)]
"""For routes that read: an inbox token, or a key with `read`."""
InboxWriter = Annotated[InboxAccess, Depends(_write_access)]
"""For routes that report: an inbox token, or a key with `ingest`."""


async def _access_of(request: Request, context: AppContext, scope: Scope) -> InboxAccess:
    given = credentials_in(request)
    if given is None or given.is_basic or not given.as_text.startswith(PREFIX):
        caller = await caller_of(request, scope)
        return InboxAccess(None, caller.has_scope(Scope.READ))
    try:
        ticket = _tokens(context).verify(given.as_text)
        async with context.database.read(context.workspace) as tx:
            return InboxAccess(ticket.user_key_at(await database_now(tx)), may_read=True)
    except InvalidInboxToken as error:
        raise ApiError(401, "unauthorized", str(error), headers={"WWW-Authenticate": "Bearer"}) from None


def _tokens(context: AppContext) -> InboxTokens:
    return InboxTokens(context.workspace, context.settings.inbox.secrets)
