"""`GET /metrics` in Prometheus' text form. Labels are routes and outcomes, never ids."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest

from starter.api.access.scopes import Scope, needs

requests_answered = Histogram(
    "connector_http_request_seconds", "Time to answer a request.", ["method", "route", "status"]
)
interactions_ingested = Counter("connector_interactions", "Interactions and events reported over HTTP.", ["status"])
segment_messages = Counter(
    "connector_segment_messages",
    "Messages of Segment's protocol, by their kind and whether they were taken.",
    ["type", "outcome"],
)

router = APIRouter(tags=["operation"])


@router.get("/metrics", dependencies=[Depends(needs(Scope.READ))], response_class=Response)
async def read_metrics() -> Response:
    """Counters and times of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
