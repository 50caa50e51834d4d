"""`/healthz`, `/readyz` and `/metrics`: probes without a key, and metrics in Prometheus' text form."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.operations.readiness import check_readiness

router = APIRouter(tags=["operation"])

_NOTES = {
    "ready": None,
    "degraded": "interactions are accepted and stored; their follow-ups start when the rest is back",
    "not_ready": "the database cannot be used now; no interaction is accepted",
}


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """Return 200: this process is alive."""
    return {"status": "alive"}


@router.get("/readyz")
async def ready(context: ContextHere) -> JSONResponse:
    """Return 200 if interactions are accepted, else 503, with the state of every part."""
    found = await check_readiness(context)
    body = {
        "status": found.status,
        "database": "ok" if found.database else "unreachable",
        "temporal": "ok" if found.temporal else "unreachable",
        "worker": "polling" if found.worker else "none",
    }
    if note := _NOTES[found.status]:
        body["note"] = note
    return JSONResponse(body, 200 if found.database else 503)


@router.get("/metrics", dependencies=[Depends(needs(Scope.READ))], response_class=Response)
async def read_metrics() -> Response:
    """Return the counters and timings of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
