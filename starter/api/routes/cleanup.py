"""`POST /v1/cleanup`: delete what is past its use now, or show what would go."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from starter.api.access.actors import ActorHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import JsonOptions, validate
from starter.api.requests.operator_options import CleanupOptions
from starter.operations.cleanup import clean_up

router = APIRouter(tags=["cleanup"])

_SECONDS = 15.0
"""About how long one request cleans up: well within the time that clients and proxies wait for a response."""


@router.post(
    "/v1/cleanup",
    dependencies=[Depends(needs(Scope.ADMIN))],
    openapi_extra=describe_body("CleanupOptions", required=False),
    name="clean_up",
)
async def run_cleanup(body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Delete what is past its use, as a worker does every day; `rows` has how many rows of each table.

    One request works for about 15 seconds; if `has_more` is true, repeat it. With `dry_run`, nothing is deleted. 409 if
    another process cleans up now.
    """
    given = validate(CleanupOptions, body)
    return await clean_up(context, actor, dry_run=given.dry_run, reason=given.reason, seconds=_SECONDS)
