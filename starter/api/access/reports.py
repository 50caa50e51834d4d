"""What the caller of a route may report: a server about everyone, a client about its own user."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from connector.app.context import AppContext
from connector.rules.targeting.client_reports import ClientReports
from starter.api.access.scopes import Caller, Scope, needs_or_client
from starter.api.context import ContextHere


def limits_of(caller: Caller, context: AppContext) -> ClientReports | None:
    """Return what the caller may report; None: a server may report everything."""
    if caller.user is None:
        return None
    return ClientReports(caller.user, context.settings.client.attributes)


async def _read_limits(
    caller: Annotated[Caller, Depends(needs_or_client(Scope.INGEST))], context: ContextHere
) -> ClientReports | None:
    return limits_of(caller, context)


LimitsHere = Annotated[ClientReports | None, Depends(_read_limits)]
"""For a route that needs a key with `ingest`, or a client with a user token."""
