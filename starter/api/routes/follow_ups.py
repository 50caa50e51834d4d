"""`GET /v1/follow-ups` and `/v1/follow-ups/{id}`: follow-ups with their states, reasons and evidence."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query

from connector.rules.model.reasons import Reason
from connector.rules.model.values import ChannelName, Instant
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.explain.follow_up import explain_follow_up
from starter.operations import cursors
from starter.operations.follow_ups import MAX_PAGE, Criteria, ListedState, read_follow_ups

router = APIRouter(tags=["follow-ups"])

Word = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]
Cursor = Annotated[str | None, Query(max_length=cursors.MAX_CHARACTERS, description="`next` of the previous page.")]
FollowUpId = Annotated[
    str,
    Path(
        min_length=1,
        max_length=1024,
        pattern=r"^[^\x00]*$",
        description="The id, or the percent-encoded id of the workflow: `follow-up%2Fdefault%2F…`.",
    ),
]


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

    All parameters must hold. `state=overdue` lists open follow-ups whose time has passed, the longest overdue first;
    messages of a launch take turns, and are not among them.
    `user` is any id of a user, or the `user_key`, by which alone an erased user is found. `since` and `until` (which is
    excluded) are about when a follow-up ended or, if it is open, until when it waits.

    If `has_more` is true, the next page is the same request with `after` set to `next`. What ends or begins meanwhile
    neither shifts a page nor repeats a row. With `channel`, a request examines at most 5,000 follow-ups that match the
    other parameters: its page may be short, or empty, though `has_more` is true.

    A late exception has its id as `exception`, and the trigger of the follow-up that had been sent. `reason` is null if
    a message was sent or the follow-up waits. `workflow_id` is the workflow in Temporal, for the `exception` signal; it
    is null for refusals and for messages of a launch. An open follow-up has `waits`: until when, or for how long it is
    due, with its next attempt and the last fault of its provider.
    """
    return await read_follow_ups(context, Criteria(state, campaign, user, reason, channel, since, until), limit, after)


@router.get("/v1/follow-ups/{id}", dependencies=[Depends(needs(Scope.READ))])
async def read_follow_up(id: FollowUpId, context: ContextHere) -> dict[str, Any]:
    """Return one follow-up, and as `decision` why it ended or what it waits for, with its evidence and its messages.

    `id` is its id, or the id of its workflow in Temporal, percent-encoded. If the user was erased, `user` and
    `decision` are null: what is left are its campaign, state, reason and times.
    """
    return await explain_follow_up(context, id)
