"""`/v1/pushes/{delivery}/open|click`: opens and clicks of a push, reported by the app that showed it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path

from connector.app.context import AppContext
from connector.rules.model.interactions import Interaction, InteractionType
from connector.rules.sending.deliveries import DeliveryRecord
from connector.store.engine.database import database_now
from connector.store.follow_ups.deliveries import load_deliveries_by_id
from starter.api.access.inbox_token import InboxAccess, InboxWriter
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import JsonOptions, validate
from starter.api.requests.errors import ApiError, not_found
from starter.api.requests.metrics import interactions_ingested
from starter.api.requests.options import NoOptions, TapOptions
from starter.api.routes.inbox import InboxActionView

router = APIRouter(prefix="/v1/pushes", tags=["pushes"])

DeliveryId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._-]{1,200}$")]


@router.post("/{delivery}/open", openapi_extra=describe_body("NoOptions", required=False))
async def open_push(
    delivery: DeliveryId, holder: InboxWriter, options: JsonOptions, context: ContextHere
) -> InboxActionView:
    """Report a tap on the body: one `open_push` per push, however often it is reported.

    The data of the push has the delivery id. Needs the user's inbox token or a key.
    """
    validate(NoOptions, options)
    return await _record_tap(context, delivery, holder, InteractionType.OPEN_PUSH, {})


@router.post("/{delivery}/click", openapi_extra=describe_body("TapOptions"))
async def click(
    delivery: DeliveryId, holder: InboxWriter, options: JsonOptions, context: ContextHere
) -> InboxActionView:
    """Report a tap on a button or on a page of the story: one interaction for each (M1)."""
    tap = validate(TapOptions, options)
    kind = InteractionType.CLICK_PUSH_STORY_PAGE if tap.button is None else InteractionType.CLICK_PUSH_BUTTON
    return await _record_tap(context, delivery, holder, kind, tap.model_dump(exclude_none=True))


async def _record_tap(
    context: AppContext, delivery: str, holder: InboxAccess, kind: InteractionType, properties: dict[str, Any]
) -> InboxActionView:
    async with context.database.read(context.workspace) as tx:
        push = _visible_push((await load_deliveries_by_id(tx, [delivery])).get(delivery), holder.user_key)
        now = await database_now(tx)
    interaction = Interaction(
        id=":".join([push.id, kind.value, *properties.values()]),
        user=push.user,
        type=kind,
        campaign=push.campaign,
        occurred_at=now,
        properties=properties,
    )
    [result] = await context.intake.ingest([interaction], anonymous={push.user})
    interactions_ingested.labels(result.status).inc()
    context.outbox.nudge()
    return InboxActionView(status=holder.visible_status(result.status), interaction=kind.value)


def _visible_push(push: DeliveryRecord | None, holder: str | None) -> DeliveryRecord:
    """Return the push if the caller may act on it. A token does not reveal which other pushes exist."""
    if push is None or not push.user or push.channel != "push":
        raise ApiError(403, "forbidden", "the push is not the user's") if holder else not_found("the push")
    if holder is not None and push.user_key != holder:
        raise ApiError(403, "forbidden", "the push is not the user's")
    return push
