"""`GET /v1/follow-ups`: follow-ups with their states and reasons."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from connector.rules.model.reasons import Reason
from connector.rules.model.values import ChannelName, Instant
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.operations import cursors
from starter.operations.follow_ups import MAX_PAGE, Criteria, ListedState, read_follow_ups

router = APIRouter(tags=["follow-ups"])

Word = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]
Cursor = Annotated[str | None, Query(max_length=cursors.MAX_CHARACTERS, description="`next` of the previous page.")]


@router.get("/v1/follow-ups", dependencies=[Depends(needs(Scope.READ))], name="read_follow_ups")
async def list_follow_ups(
    context: ContextHere,
    campaign: Word = None,
    user: Word = None,
    state: ListedState | None = None,
    reason: Reason | None = None,
    channel: ChannelName | None = None,
    since: Instant | None = None,
    until: Instant | None = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 100,
    after: Cursor = None,
) -> dict[str, Any]:
    """List follow-ups, newest trigger first; `state=refused` lists refused triggers instead, `noted` late exceptions.

    All parameters must hold. `state=overdue` lists open follow-ups whose time has passed, the longest overdue first.
    `user` is any id of a user, or the `user_key`, by which alone an erased user is found. `since` and `until` (which is
    excluded) are about when a follow-up ended or, if it is open, until when it waits.

    If `has_more` is true, the next page is the same request with `after` set to `next`. What ends or begins meanwhile
    neither shifts a page nor repeats a row.

    A late exception has its id as `exception`, and the trigger of the follow-up that had been sent. `reason` is null if
    a message was sent or the follow-up waits. `workflow_id` is the workflow in Temporal, for the `exception` signal; it
    is null for refusals and for messages of a launch. An open follow-up has `waits`: until when, or for how long it is
    due, with its next attempt and the last fault of its provider.
    """
    return await read_follow_ups(context, Criteria(state, campaign, user, reason, channel, since, until), limit, after)
