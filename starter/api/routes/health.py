"""`/healthz` and `/readyz`, for whatever starts and restarts this process; both without a key."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from starter.api.context import ContextHere
from starter.operations.readiness import check_readiness

router = APIRouter(tags=["operation"])

_NOTES = {
    "ready": None,
    "degraded": "interactions are accepted and kept; their follow-ups begin when the rest is back",
    "not_ready": "the database cannot be used now; nothing is accepted",
}


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """This process answers."""
    return {"status": "alive"}


@router.get("/readyz")
async def ready(context: ContextHere) -> JSONResponse:
    """Whether interactions are accepted (200) or not (503), and which part is missing, if any."""
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
