"""The dependencies by which routes get the `Actor` of a request and the reason for it, for the audit trail."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import Depends, Query, Request

from connector.rules.model.audit import MAX_REASON_CHARACTERS, Actor, ActorKind
from starter.api.access.scopes import caller_of


async def read_actor(request: Request) -> Actor:
    """Return who sends the request, from which address. The route's own dependency checks the scopes."""
    caller = await caller_of(request)
    return Actor(
        ActorKind.ANONYMOUS if caller.id is None else ActorKind.KEY,
        caller.id,
        origin=None if request.client is None else request.client.host,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
    )


ActorHere = Annotated[Actor, Depends(read_actor)]

ReasonHere = Annotated[
    str | None,
    Query(
        alias="reason",
        min_length=1,
        max_length=MAX_REASON_CHARACTERS,
        pattern=r"^[^\x00]*$",
        description="Why, for the audit trail, which keeps it for good: do not name users.",
    ),
]
