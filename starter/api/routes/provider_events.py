"""`/v1/provider-events`: events of providers that match no delivery, and matching them again."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from connector.rules.provider_events.attribution import Unmatched
from connector.rules.provider_events.events import PROVIDERS
from starter.api.access.actors import ActorHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import JsonOptions, validate
from starter.api.requests.operator_options import MatchOptions
from starter.operations.provider_events import (
    MAX_CURSOR_CHARACTERS,
    MAX_PAGE,
    list_provider_events,
    match_provider_events,
)

router = APIRouter(prefix="/v1/provider-events", tags=["provider-events"])

Provider = Annotated[str | None, Query(pattern=f"^({'|'.join(PROVIDERS)})$", json_schema_extra={"enum": [*PROVIDERS]})]
Cursor = Annotated[str | None, Query(max_length=MAX_CURSOR_CHARACTERS, description="`next` of the previous page.")]


@router.get("", dependencies=[Depends(needs(Scope.READ))])
async def list_events(
    context: ContextHere,
    provider: Provider = None,
    reason: Unmatched | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    after: Cursor = None,
) -> dict[str, Any]:
    """List the events of providers that match no campaign and user, with the reason, the newest received first.

    `counts` has their numbers by provider and reason. Recipients are not shown. If `has_more` is true, the next page is
    the same request with `after` set to `next`.
    """
    return await list_provider_events(context, provider=provider, reason=reason, limit=limit, after=after)


@router.post(
    "/match",
    dependencies=[Depends(needs(Scope.MANAGE))],
    openapi_extra=describe_body("MatchOptions", required=False),
)
async def match_events(body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Match events again, after what was missing was added: a campaign may have been applied since, or a user reported.

    `led_back`: how many match now. `dropped`: how many were deleted, because they are too old or about erased users.
    `left`: how many still match nothing, and are kept. Each request handles the oldest 5,000 at most; if `has_more` is
    true, repeat it with `after` set to `next`.
    """
    given = validate(MatchOptions, body)
    return await match_provider_events(context, actor, provider=given.provider, note=given.note, after=given.after)
