"""The token of one user's inbox: minted for holders of a key, and checked where a browser or phone sends it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel

from connector.inbox_tokens import PREFIX, InboxTokens, SecretMissing, TokenRefused
from connector.store.database import database_now
from connector.store.users import UserErased, resolve_and_lock
from starter.api.body import JsonOptions, checked
from starter.api.errors import ApiError
from starter.api.keys import Keys, Scope, needs
from starter.api.options import NoOptions
from starter.api.parts import PartsHere
from starter.api.users import UserId
from starter.compose import Parts

router = APIRouter(prefix="/v1", tags=["inbox"])
_bearer = HTTPBearer(
    auto_error=False, scheme_name="KeyOrInboxToken", description="One of CONNECTOR_API_KEYS, or a user's inbox token"
)


class TokenView(BaseModel):
    """A token for one user's inbox, and when it ends (UTC)."""

    token: str
    expires_at: datetime


@router.post("/users/{id}/inbox-token", dependencies=[Depends(needs(Scope.MANAGE))])
async def mint_token(id: UserId, options: JsonOptions, parts: PartsHere, response: Response) -> TokenView:
    """A token with which a browser or phone reads and uses this one user's inbox. An unknown user is made.

    409 where no secret is set. Give it to the user's own device only.
    """
    checked(NoOptions, options)
    try:
        async with parts.database.write(parts.workspace) as c:
            now = await database_now(c)
            user_key = (await resolve_and_lock(c, parts.workspace, [id], now)).get(id)
            if user_key is None:
                raise UserErased("the user was erased; an id that was erased is not used again")
            token, expires_at = _tokens(parts).mint(user_key, now, parts.settings.inbox.token_lifetime)
    except SecretMissing as error:
        raise ApiError(409, "not_set_up", str(error)) from None
    response.headers["Cache-Control"] = "no-store"
    return TokenView(token=token, expires_at=expires_at)


async def token_holder(
    request: Request, parts: PartsHere, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> str | None:
    """The user key of the token that was sent; None for the holder of a key, who may act for everybody."""
    given = credentials.credentials if credentials else None
    if given is None or not given.startswith(PREFIX):
        keys: Keys = request.app.state.keys
        keys.check(request, given)
        return None
    try:
        ticket = _tokens(parts).verified(given)
        async with parts.database.read() as c:
            return ticket.user_key_at(await database_now(c))
    except TokenRefused as error:
        raise ApiError(401, "unauthorized", str(error), headers={"WWW-Authenticate": "Bearer"}) from None


Holder = Annotated[str | None, Depends(token_holder)]


def _tokens(parts: Parts) -> InboxTokens:
    return InboxTokens(parts.workspace, parts.settings.inbox.secrets)
