"""`/healthz`, `/readyz` and `/metrics`: probes without a key, and metrics in Prometheus' text form."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from connector.app.metrics_page import CONTENT_TYPE_LATEST, MetricsPage
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.requests.pools import PoolName

router = APIRouter(tags=["operation"])


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Return 200: this process is alive."""
    return {"status": "alive"}


@router.get("/readyz")
async def ready(context: ContextHere) -> JSONResponse:
    """Return 200 if interactions are accepted, else 503, with the result of every check of the installation."""
    found = await context.probe.read()
    return JSONResponse(found.body("api"), found.http_status("api"))


@router.get("/metrics", dependencies=[Depends(needs(Scope.READ, pool=PoolName.METRICS))], response_class=Response)
async def read_metrics(context: ContextHere) -> Response:
    """Return the counters and timings of this process, and what waits in the database."""
    return Response(await MetricsPage(context.gauges).render(), media_type=CONTENT_TYPE_LATEST)
