"""`GET /v1/campaigns/{id}/results`: what came of a campaign or card, and its uplift over the control group."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.requests.errors import not_found
from starter.operations.results import load_results

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])


@router.get("/{id}/results", dependencies=[Depends(needs(Scope.READ))])
async def read_results(id: str, context: ContextHere) -> dict[str, Any]:
    """How many users were enrolled, sent, opened, clicked and converted: control group, receivers, each variant.

    Each user counts once a step. `uplift` has, by conversion, the receivers' rate against the control group's, the
    difference with its 95% confidence interval (`low` to `high`, Newcombe's) and the relative uplift; it is null where
    either group is empty.
    """
    entry = (await context.cache.at_least(context.database)).entries.get(id)
    if entry is None:
        raise not_found(f"the campaign or card {id}")
    return {"id": id, **await load_results(context, entry)}
