"""`POST /v1/interactions`: what users did, up to 1,000 at once, each judged on its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from connector.ingest.batches import BatchRefused, InteractionBatch, ingest_batch, read_batch
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import body_of
from starter.api.requests.body import JsonObject
from starter.api.requests.errors import ApiError
from starter.api.routes.metrics import interactions_ingested

router = APIRouter(tags=["interactions"])


@router.post("/v1/interactions", dependencies=[Depends(needs(Scope.INGEST))], openapi_extra=body_of("Interactions"))
async def ingest_interactions(body: JsonObject, context: ContextHere) -> JSONResponse:
    """Take in interactions and events. What is answered as `accepted` is stored for good; repeating it changes nothing.

    The answer has one result an item, in their order: `accepted`, `duplicate`, or `invalid` with its fault. `users` may
    stand beside them: what is told there holds before the items are judged, and has results of its own.
    """
    answer = await ingest_batch(context.intake, _batch_of(body))
    if answer.changed:
        context.outbox.nudge()
    for status, number in Counter(result.status for result in answer.results).items():
        interactions_ingested.labels(status).inc(number)
    return JSONResponse(answer.as_json())


def _batch_of(body: dict[str, Any]) -> InteractionBatch:
    try:
        return read_batch(body)
    except BatchRefused as refused:
        raise ApiError(422 if refused.code == "invalid" else 413, refused.code, str(refused)) from None
