"""`POST /v1/orders`: publish, stop, resume or archive several campaigns and cards in one order, all or nothing."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from starter.api.access.actors import ActorHere
from starter.api.access.order_keys import OrderKeyHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import JsonObject, validate
from starter.api.requests.options import OrderRequest
from starter.operations.orders import give_order, preview_resuming

router = APIRouter(tags=["campaigns"])


@router.post(
    "/v1/orders", dependencies=[Depends(needs(Scope.MANAGE))], openapi_extra=describe_body("OrderRequest"), name="order"
)
async def order(body: JsonObject, key: OrderKeyHere, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Give one order about several campaigns and cards: all of them take effect at one instant, or none does.

    `publish` makes the newest saved revisions live, follow-ons before their targets (P5). `changed` is in the order in
    which they took effect; `unchanged` were so before.
    """
    given = validate(OrderRequest, body)
    if given.dry_run:
        return await preview_resuming(context, given.ids)
    options = given.model_dump(include={"reason", "with_follow_ons", "allow_missed"})
    return await give_order(context, actor, given.verb, given.ids, key=key, **options)
