"""`GET /v1/status`: what is live since when, and how follow-ups ended, of all campaigns and cards, and of one."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.operations.status import read_campaign_status, read_status

router = APIRouter(tags=["campaigns"], dependencies=[Depends(needs(Scope.READ))])


@router.get("/v1/status", name="read_status")
async def read_all(context: ContextHere) -> dict[str, Any]:
    """Return every campaign and card with its state and its follow-ups by state and reason.

    `retried` has the messages that are due and tried again, with their provider's last fault (W6). With thousands of
    campaigns, `GET /v1/campaigns` lists them in pages.
    """
    return await read_status(context)


@router.get("/v1/campaigns/{id}/status", name="read_campaign_status")
async def read_one(id: str, context: ContextHere) -> dict[str, Any]:
    """Return one campaign or card: its state, windows, follow-ups by state and reason, and results."""
    return await read_campaign_status(context, id)
