"""Callers with a key of the scope `client`: the user token that each of their requests needs."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Header, Request, Security

from connector.app.context import AppContext
from connector.rules.model.api_keys import Scope
from starter.api.access.authorization import Credentials
from starter.api.access.callers import unauthorized
from starter.api.access.key_schemes import CLIENT_KEY, USER_TOKEN_HEADER
from starter.api.access.user_tokens import PREFIX, InvalidUserToken, UserTokens
from starter.api.context import machine_now

_MAX_CHARACTERS = 2048
_RIGHT = f"send one that your server has created for the user, in the header {USER_TOKEN_HEADER}"

ClientKey = Annotated[Any, Security(CLIENT_KEY, scopes=[Scope.CLIENT.value])]
UserToken = Annotated[
    str | None, Header(alias=USER_TOKEN_HEADER, description="The user's token, with a key that has the scope `client`")
]
"""These two document the parameters of a route that clients may call; `read_user` reads them."""


def user_tokens(context: AppContext) -> UserTokens:
    """Return the user tokens of this workspace."""
    return UserTokens(context.workspace, context.settings.client.secrets)


def read_user(request: Request, given: Credentials | None) -> str:
    """Return the id of the user whose token a client sends.

    Raises:
        ApiError: 401 without exactly one valid token.
    """
    token = _token_in(request, given)
    if token is None:
        raise unauthorized("a key with the scope client needs a user token", _RIGHT)
    try:
        return user_tokens(request.app.state.context).verify(token, machine_now())
    except InvalidUserToken as error:
        raise unauthorized(str(error), _RIGHT) from None


def _token_in(request: Request, given: Credentials | None) -> str | None:
    """Return the token: of the header, or the password beside the key, for SDKs that can send no header of their own.

    Such an SDK ends the password with the colon that it adds to its write key.
    """
    sent = request.headers.getlist(USER_TOKEN_HEADER)
    if sent:
        return sent[0] if len(sent) == 1 and len(sent[0]) <= _MAX_CHARACTERS else ""
    if given is None or given.password is None:
        return None
    password = given.password.decode("ascii", errors="replace").removesuffix(":")
    return password if password.startswith(PREFIX) else None
