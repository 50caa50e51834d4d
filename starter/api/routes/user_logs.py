"""`GET /v1/users/{id}/timeline`: what a user did and was sent, to be played against edited definitions."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from connector.rules.model.values import MAX_TEXT_CHARACTERS
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.routes.users import UserId
from starter.operations.user_logs import read_user_log

router = APIRouter(prefix="/v1/users", tags=["users"], dependencies=[Depends(needs(Scope.READ))])
Since = Annotated[
    str,
    Query(
        max_length=MAX_TEXT_CHARACTERS,
        description='A time with its zone, or how long ago, like "7 days".',
        examples=["7 days", "2026-03-02T00:00:00Z"],
    ),
]


@router.get("/{id}/timeline")
async def read_timeline(id: UserId, since: Since, context: ContextHere) -> dict[str, Any]:
    """Return what a user did and was sent since an instant, as lines of a timeline for `connector simulate`.

    `user` is the profile as it is now, `interactions` have the times of their arrival, `before` those that arrived
    earlier, of the user's newest 5,000 together; `sends` and `receipts` are what frequency caps and `eligible_again`
    need. Nothing is changed.
    """
    return await read_user_log(context, id, since)
