"""`POST /v1/interactions`: reports of up to 1,000 interactions, each validated on its own."""

from __future__ import annotations

from collections import Counter
from typing import Any

from fastapi import APIRouter, Response

from connector.ingest.batches import MAX_ITEMS, BatchRefused, InteractionBatch, ingest_batch, parse_batch
from connector.rules.targeting.client_reports import MAX_CLIENT_ITEMS, ClientReports
from starter.api.access.reports import LimitsHere
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import ItemsObject
from starter.api.requests.errors import ApiError
from starter.api.requests.metrics import interactions_ingested

router = APIRouter(tags=["interactions"])


@router.post(
    "/v1/interactions",
    name="take_interactions",  # part of the operation id, which generated clients use
    openapi_extra=describe_body("Interactions"),
)
async def ingest_interactions(limits: LimitsHere, body: ItemsObject, context: ContextHere) -> Response:
    """Ingest interactions and events. An `accepted` item is stored durably; repeating it changes nothing.

    The response has one result per item, in their order: `accepted`, `duplicate`, or `invalid` with its fault. `users`
    may be described beside them: descriptions apply before the items are evaluated, and have results of their own.
    A client reports about its own user, whom its items need not name.
    """
    answer = await ingest_batch(context.intake, _batch_of(body, limits), limits)
    if answer.changed:
        context.outbox.nudge()
    for status, number in Counter(result.status for result in answer.results).items():
        interactions_ingested.labels(status).inc(number)
    return Response(answer.as_text(), media_type="application/json")


def _batch_of(body: dict[str, Any], limits: ClientReports | None) -> InteractionBatch:
    try:
        return parse_batch(body, max_items=MAX_ITEMS if limits is None else MAX_CLIENT_ITEMS)
    except BatchRefused as refused:
        raise ApiError(422 if refused.code == "invalid" else 413, refused.code, str(refused)) from None
