"""`POST /v1/interactions`: what users did, up to 1,000 at once, each judged on its own."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from connector.intake import ItemResult
from starter.api.body import JsonObject
from starter.api.errors import ApiError
from starter.api.metrics import interactions_taken
from starter.api.openapi import body_of
from starter.api.parts import PartsHere

MAX_ITEMS = 1000

router = APIRouter(tags=["interactions"])


@router.post("/v1/interactions", openapi_extra=body_of("Interactions"))
async def take_interactions(body: JsonObject, parts: PartsHere) -> JSONResponse:
    """Take in interactions and events. What is answered as `accepted` is stored for good; repeating it changes nothing.

    The answer has one result an item, in their order: `accepted`, `duplicate`, or `invalid` with its fault.
    """
    results = await parts.intake.take_in(_items_of(body))
    parts.outbox.nudge()
    for result in results:
        interactions_taken.labels(result.status).inc()
    return JSONResponse({"results": [_told(result) for result in results]})


def _items_of(body: dict[str, Any]) -> list[Any]:
    items = body.get("interactions")
    if not isinstance(items, list) or body.keys() != {"interactions"}:
        raise ApiError(422, "invalid", 'the body must be {"interactions": [...]}, with nothing beside it')
    if len(items) > MAX_ITEMS:
        message = f"{len(items)} interactions are more than {MAX_ITEMS}; nothing was taken, send several requests"
        raise ApiError(413, "too_many_interactions", message)
    return items


def _told(result: ItemResult) -> dict[str, str | None]:
    told = {"id": result.id, "status": result.status}
    return told if result.fault is None else {**told, "fault": result.fault}
