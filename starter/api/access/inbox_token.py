"""Access to an inbox: by an inbox token of a browser or phone, or by a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request, Security

from connector.app.context import AppContext
from connector.inbox.tokens import PREFIX, InboxTokens, InvalidInboxToken
from connector.store.engine.database import database_now
from starter.api.access.key_schemes import BEARER_OR_TOKEN
from starter.api.access.scopes import Scope, caller_of, credentials_in
from starter.api.context import ContextHere
from starter.api.requests.admission import admit
from starter.api.requests.errors import ApiError
from starter.api.requests.pools import PoolName


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
        ticket = inbox_tokens(context).verify(given.as_text)
        await admit(request, PoolName.KEYED)
        async with context.database.read(context.workspace) as tx:
            return InboxAccess(ticket.user_key_at(await database_now(tx)), may_read=True)
    except InvalidInboxToken as error:
        raise ApiError(401, "unauthorized", str(error), headers={"WWW-Authenticate": "Bearer"}) from None


def inbox_tokens(context: AppContext) -> InboxTokens:
    """Return the tokens of this workspace."""
    return InboxTokens(context.workspace, context.settings.inbox.secrets)
