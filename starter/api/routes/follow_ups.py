"""`GET /v1/follow-ups`: follow-ups with their states and reasons."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query

from connector.store.engine.transaction import database_now
from connector.store.reporting.overview import list_follow_ups
from connector.store.users.users import find_user
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.operations.views import view_follow_up

router = APIRouter(tags=["follow-ups"])

MAX_LIMIT = 1000
ListedState = Literal[
    "waiting", "held", "sending", "sent", "excepted", "dropped", "control", "failed", "refused", "noted"
]
"""A state of follow-ups (`State`), or the pseudo-state of late exceptions."""
Word = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]


@router.get("/v1/follow-ups", dependencies=[Depends(needs(Scope.READ))])
async def read_follow_ups(
    context: ContextHere,
    campaign: Word = None,
    user: Word = None,
    state: ListedState | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 100,
) -> dict[str, Any]:
    """List follow-ups, newest trigger first; `state=refused` lists refused triggers instead, `noted` late exceptions.

    A late exception has its id as `exception`, and the trigger of the follow-up that had been sent.

    `reason` is null if a message was sent or the follow-up waits. `workflow_id` is the workflow in Temporal, for the
    `exception` signal; it is null for refusals and for messages of a launch. An open follow-up has `waits`: until when,
    or for how long it is due, with its next attempt and the last fault of its provider.
    """
    async with context.database.read(context.workspace) as tx:
        stored = None if user is None else await find_user(tx, user)
        if user is not None and stored is None:
            return {"follow_ups": []}
        found = await list_follow_ups(
            tx,
            campaign=campaign,
            user_key=stored.user_key if stored else None,
            state=state,
            limit=limit,
        )
        now = await database_now(tx)
    entries = (await context.cache.at_least(context.database)).entries
    stopped = {listed.campaign for listed in found if entries[listed.campaign].state == "stopped"}
    return {
        "follow_ups": [
            view_follow_up(context.workspace, listed, now, is_stopped=listed.campaign in stopped) for listed in found
        ]
    }
