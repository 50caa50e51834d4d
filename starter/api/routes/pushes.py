"""`/v1/pushes/{delivery}/open|click`: what users do with a push, told by the app that showed it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Path

from connector.app.context import AppContext
from connector.rules.model.interactions import Interaction, InteractionType
from connector.store.engine.database import database_now
from connector.store.provider_events.delivery_reports import is_logged
from connector.store.provider_events.tracked import TrackedDelivery, find_deliveries
from starter.api.access.inbox_token import Holder, InboxDoer
from starter.api.context import ContextHere
from starter.api.openapi.document import body_of
from starter.api.requests.body import JsonOptions, checked
from starter.api.requests.errors import ApiError, not_found
from starter.api.routes.inbox import ActView
from starter.api.routes.metrics import interactions_ingested
from starter.api.routes.options import NoOptions, TapOptions

router = APIRouter(prefix="/v1/pushes", tags=["pushes"])

_SKEW = timedelta(days=1)
"""By how much the dispatch's clock and the database's surely differ less."""

DeliveryId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


@router.post("/{delivery}/open", openapi_extra=body_of("NoOptions", required=False))
async def open_push(delivery: DeliveryId, holder: InboxDoer, options: JsonOptions, context: ContextHere) -> ActView:
    """Its body was tapped: one `open_push` a push, however often it is told.

    The delivery's id stands in the push's data. With the user's inbox token or with a key.
    """
    checked(NoOptions, options)
    return await _tapped(context, delivery, holder, InteractionType.OPEN_PUSH, {})


@router.post("/{delivery}/click", openapi_extra=body_of("TapOptions"))
async def click(delivery: DeliveryId, holder: InboxDoer, options: JsonOptions, context: ContextHere) -> ActView:
    """One of its buttons was tapped, or a page of its story: one interaction for each (M1)."""
    tap = checked(TapOptions, options)
    kind = InteractionType.CLICK_PUSH_STORY_PAGE if tap.button is None else InteractionType.CLICK_PUSH_BUTTON
    return await _tapped(context, delivery, holder, kind, tap.model_dump(exclude_none=True))


async def _tapped(
    context: AppContext, delivery: str, holder: Holder, kind: InteractionType, properties: dict[str, Any]
) -> ActView:
    async with context.database.read(context.workspace) as tx:
        push = _allowed((await find_deliveries(tx, [delivery])).get(delivery), holder.user_key)
        now = await database_now(tx)
        id = ":".join([push.id, kind.value, *properties.values()])
        # The log is unique by day and id (M6), and apps tell again on other days what they are not sure of.
        if await is_logged(tx, push.user_key, id, (push.dispatched_at or now) - _SKEW):
            return ActView(status=holder.told("duplicate"), interaction=kind.value)
    made = Interaction(
        id=id,
        user=push.user,
        type=kind,
        campaign=push.campaign,
        occurred_at=now,
        properties=properties,
    )
    [result] = await context.intake.ingest([made])
    interactions_ingested.labels(result.status).inc()
    context.outbox.nudge()
    return ActView(status=holder.told(result.status), interaction=kind.value)


def _allowed(push: TrackedDelivery | None, holder: str | None) -> TrackedDelivery:
    """That push, where the caller may act on it. A token's holder is not told which others there are."""
    if push is None or push.channel != "push":
        raise ApiError(403, "forbidden", "the push is not the user's") if holder else not_found("the push")
    if holder is not None and push.user_key != holder:
        raise ApiError(403, "forbidden", "the push is not the user's")
    return push
