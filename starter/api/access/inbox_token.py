"""The token of one user's inbox: minted for holders of a key, and checked where a browser or phone sends it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response, Security
from pydantic import BaseModel

from connector.app.context import AppContext
from connector.inbox.tokens import PREFIX, InboxTokens, SecretMissing, TokenRefused
from connector.store.engine.database import database_now
from connector.store.users.users import UserErased, resolve_and_lock
from starter.api.access.key_schemes import BEARER_OR_TOKEN
from starter.api.access.scopes import Scope, caller_of, given_in, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import body_of
from starter.api.requests.body import JsonOptions, checked
from starter.api.requests.errors import ApiError
from starter.api.routes.options import NoOptions
from starter.api.routes.users import UserId

router = APIRouter(prefix="/v1", tags=["inbox"])


class TokenView(BaseModel):
    """A token for one user's inbox, and when it ends (UTC)."""

    token: str
    expires_at: datetime


@router.post(
    "/users/{id}/inbox-token",
    dependencies=[Depends(needs(Scope.READ, Scope.INGEST))],
    openapi_extra=body_of("NoOptions", required=False),
)
async def mint_token(id: UserId, options: JsonOptions, context: ContextHere, response: Response) -> TokenView:
    """A token with which a browser or phone reads and uses this one user's inbox. An unknown user is made.

    409 where no secret is set. Give it to the user's own device only. It reads and acts, so the key must do both.
    """
    checked(NoOptions, options)
    try:
        async with context.database.write(context.workspace) as tx:
            now = await database_now(tx)
            user_key = (await resolve_and_lock(tx, [id], now)).get(id)
            if user_key is None:
                raise UserErased
            token, expires_at = _tokens(context).mint(user_key, now, context.settings.inbox.token_lifetime)
    except SecretMissing as error:
        raise ApiError(409, "not_set_up", str(error)) from None
    response.headers["Cache-Control"] = "no-store"
    return TokenView(token=token, expires_at=expires_at)


@dataclass(frozen=True)
class Holder:
    """Who asks: the user of an inbox token by `user_key`, or the holder of a key (None), who may act for everybody.

    Args:
        may_read: whether answers may tell what is known; those to a key for ingest alone may not.
    """

    user_key: str | None
    may_read: bool

    def told(self, status: str) -> str:
        """What became of a report, without telling who may not read that it had been made before."""
        return "accepted" if status == "duplicate" and not self.may_read else status


async def _reader(
    request: Request, context: ContextHere, _told: Annotated[Any, Security(BEARER_OR_TOKEN, scopes=["read"])]
) -> Holder:
    return await _holder(request, context, Scope.READ)


async def _doer(
    request: Request, context: ContextHere, _told: Annotated[Any, Security(BEARER_OR_TOKEN, scopes=["ingest"])]
) -> Holder:
    return await _holder(request, context, Scope.INGEST)


InboxReader = Annotated[Holder, Depends(_reader)]
"""Of a route that shows: an inbox token, or a key that reads."""
InboxDoer = Annotated[Holder, Depends(_doer)]
"""Of a route that takes something in: an inbox token, or a key for ingest."""


async def _holder(request: Request, context: AppContext, scope: Scope) -> Holder:
    given = given_in(request)
    if given is None or given.is_basic or not given.text.startswith(PREFIX):
        caller = await caller_of(request, scope)
        return Holder(None, caller.may(Scope.READ))
    try:
        ticket = _tokens(context).verified(given.text)
        async with context.database.read(context.workspace) as tx:
            return Holder(ticket.user_key_at(await database_now(tx)), may_read=True)
    except TokenRefused as error:
        raise ApiError(401, "unauthorized", str(error), headers={"WWW-Authenticate": "Bearer"}) from None


def _tokens(context: AppContext) -> InboxTokens:
    return InboxTokens(context.workspace, context.settings.inbox.secrets)
