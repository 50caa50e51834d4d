"""`POST /v1/interactions`: what users did, up to 1,000 at once, each judged on its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import ValidationError

from connector.intake import ItemResult, TakenIn
from connector.items import fault_words
from connector.rules.users import User
from connector.rules.values import has_null
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

    The answer has one result an item, in their order: `accepted`, `duplicate`, or `invalid` with its fault. `users` may
    stand beside them: what is told there holds before the items are judged, and has results of its own.
    """
    items, described = _items_of(body), body.get("users", [])
    faults = [_fault_of(changes) for changes in described]
    well_formed = [changes for changes, fault in zip(described, faults, strict=True) if fault is None]
    taken = await parts.intake.take_in_with(items, well_formed)
    if taken.changed:
        parts.outbox.nudge()
    for status, number in Counter(result.status for result in taken.results).items():
        interactions_taken.labels(status).inc(number)
    answer = {"results": [_told(result) for result in taken.results]}
    if "users" in body:
        answer["users"] = [
            _told(_described(changes, fault, taken)) for changes, fault in zip(described, faults, strict=True)
        ]
    return JSONResponse(answer)


def _items_of(body: dict[str, Any]) -> list[Any]:
    items, users = body.get("interactions"), body.get("users", [])
    if not isinstance(items, list) or not isinstance(users, list) or body.keys() - {"users"} != {"interactions"}:
        message = 'the body must be {"interactions": [...]}, with nothing beside it but "users": [...]'
        raise ApiError(422, "invalid", message)
    for name, listed in (("interactions", items), ("users", users)):
        if len(listed) > MAX_ITEMS:
            message = f"{len(listed)} {name} are more than {MAX_ITEMS}; nothing was taken, send several requests"
            raise ApiError(413, f"too_many_{name}", message)
    return items


def _fault_of(changes: Any) -> str | None:
    if has_null(changes):
        return "must not contain null characters, which no database stores"
    try:
        User.model_validate(changes)
    except ValidationError as error:
        return fault_words(error.errors()[0])
    return None


def _described(changes: Any, fault: str | None, taken: TakenIn) -> ItemResult:
    name = changes.get("id") if isinstance(changes, dict) else None
    if fault is None and name in taken.erased:
        fault = "erased: the user was erased"
    return ItemResult("accepted" if fault is None else "invalid", name if isinstance(name, str) else None, fault)


def _told(result: ItemResult) -> dict[str, str | None]:
    told = {"id": result.id, "status": result.status}
    return told if result.fault is None else {**told, "fault": result.fault}
