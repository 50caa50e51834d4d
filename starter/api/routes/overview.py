"""`GET /v1/overview` and `/v1/graph`: what goes on, what needs a hand, and how campaigns are connected."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.routes.follow_ups import Word
from starter.operations import overview
from starter.operations.graph import MAX_DEPTH, MAX_NODES, read_graph

router = APIRouter(prefix="/v1", tags=["overview"], dependencies=[Depends(needs(Scope.READ))])


@router.get("/overview")
async def read_overview(
    context: ContextHere,
    search: Word = None,
    after: Word = None,
    limit: Annotated[int, Query(ge=1, le=overview.MAX_CAMPAIGNS)] = 100,
) -> dict[str, Any]:
    """Return each campaign's state with what waits and what was sent today, and what needs a hand.

    `today` is the day in the workspace's zone, which began at `since`. `campaigns` is a page of them by id, without
    archived ones: `waiting` counts follow-ups that wait, are held or being sent, `sent_today` those that ended as sent
    today. `search` finds ids and names that contain a text. If `has_more` is true, the next page is the same request
    with `after` set to `next`.

    `attention` lists what needs a hand, whatever the page: `overdue` follow-ups (due for more than a minute), `unknown`
    and `failed` ones, follow-ons that can never trigger because no target is live (`never_triggers`), and drafts whose
    publication alone would make draft follow-ons miss their launch (`would_miss_launch`, with the right `order`).
    """
    return await overview.read_overview(context, search=search, after=after, limit=limit)


@router.get("/graph", name="read_graph")
async def read_connections(
    context: ContextHere,
    around: Word = None,
    search: Word = None,
    depth: Annotated[int, Query(ge=0, le=MAX_DEPTH)] = 1,
    limit: Annotated[int, Query(ge=1, le=MAX_NODES)] = 100,
) -> dict[str, Any]:
    """Return campaigns and cards with their states and live counts, and which follow-on listens to which of them.

    `around` shows what is connected with one campaign, `search` with those whose id or name contains a text; `depth` is
    how many connections are followed from there. Otherwise all are shown but archived ones, connected ones first.

    An edge leads `from` what users interact with `to` the follow-on: `role` is `trigger`, with the `delay`, or
    `exception`; `text` has the interaction in plain words, `refinement` what narrows it. Events that trigger and cancel
    a follow-on are in its `starts_on` and `cancelled_by`. `state` is null of what a follow-on names and does not exist.
    If `has_more` is true, nodes were left out because of `limit`; the nearest are shown.
    """
    return await read_graph(context, around=around, search=search, depth=depth, limit=limit)
