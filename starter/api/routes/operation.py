"""`/healthz`, `/readyz` and `/metrics`: probes without a key, and metrics in Prometheus' text form."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from connector.app.metrics_page import CONTENT_TYPE_LATEST, MetricsPage
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.requests.pools import PoolName
from starter.operations.readiness import check_readiness

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Return 200: this process is alive."""
    return {"status": "alive"}


@router.get("/readyz")
async def ready(context: ContextHere) -> JSONResponse:
    """Return 200 if interactions are accepted, else 503, with the state of every part."""
    found = await check_readiness(context)
    body: dict[str, object] = {
        "status": found.status,
        "database": found.outage or "ok",
        "temporal": "ok" if found.temporal else "unreachable",
        "worker": "polling" if found.worker else "none",
    }
    if found.retried:
        body["retried"] = [{"channel": channel, "fault": fault} for channel, fault in found.retried]
    if found.note:
        body["note"] = found.note
    return JSONResponse(body, 503 if found.outage else 200)


@router.get("/metrics", dependencies=[Depends(needs(Scope.READ, pool=PoolName.METRICS))], response_class=Response)
async def read_metrics(context: ContextHere) -> Response:
    """Return the counters and timings of this process, and what waits in the database."""
    return Response(await MetricsPage(context.gauges).render(), media_type=CONTENT_TYPE_LATEST)
