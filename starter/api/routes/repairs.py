"""`POST /v1/follow-ups/…`: operator actions on one follow-up or on many, and the repair of messages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal

from fastapi import APIRouter, Depends

from connector.app.context import AppContext
from connector.rules.model.audit import Actor
from connector.rules.sending.operating import BulkVerb
from starter.api.access.actors import ActorHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import JsonObject, JsonOptions, validate
from starter.api.requests.operator_options import (
    ActOptions,
    BulkOptions,
    PostponeOneOptions,
    PostponeOptions,
    ResendOptions,
    ResolveManyOptions,
    ResolveOptions,
)
from starter.api.routes.follow_ups import FollowUpId
from starter.operations.acts import cancel, postpone, send_now
from starter.operations.bulk import act_on_follow_ups
from starter.operations.bulk_actions import BulkAction
from starter.operations.follow_ups import Criteria
from starter.operations.resending import send_again
from starter.operations.settling import settle

router = APIRouter(prefix="/v1/follow-ups", tags=["follow-ups"], dependencies=[Depends(needs(Scope.MANAGE))])
_BULK = describe_body("BulkOptions")
_ACT = describe_body("ActOptions", required=False)


@router.post("/{id}/resolve", openapi_extra=describe_body("ResolveOptions"))
async def resolve_message(id: str, body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Settle a message whose result is unknown (`send_unknown`): it was sent, or it was not and may be sent again.

    Repeated, it changes nothing. 409 if its result is known, and another one.
    """
    given = validate(ResolveOptions, body)
    return await settle(context, actor, id, was_sent=given.sent, channel=given.channel, note=given.note)


@router.post("/{id}/resend", openapi_extra=describe_body("ResendOptions", required=False))
async def resend_messages(id: str, body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Send the messages of a follow-up again that failed, if the rules of its due time allow it now.

    Each is a new message for its provider. Repeated while it waits, it changes nothing. 409 with the reason if no
    message failed, or a rule forbids it.
    """
    given = validate(ResendOptions, body)
    return await send_again(context, actor, id, channel=given.channel, note=given.note, dry_run=given.dry_run)


@router.post("/{id}/send-now", openapi_extra=_ACT)
async def send_one_now(id: FollowUpId, body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Evaluate and send a follow-up now, not at its due time; the rules of the due time still apply.

    409 with the reason if it has ended, is being sent, or belongs to a launch. 503 if Temporal or a worker does not
    answer: it may be repeated.
    """
    return await send_now(context, actor, id, note=validate(ActOptions, body).note)


@router.post("/{id}/postpone", openapi_extra=describe_body("PostponeOneOptions"))
async def postpone_one(id: FollowUpId, body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Move the time that a follow-up waits for, `until` a time or `by` a duration; exceptions still cancel it."""
    given = validate(PostponeOneOptions, body)
    return await postpone(context, actor, id, until=given.until, by=given.by, note=given.note)


@router.post("/{id}/cancel", openapi_extra=_ACT)
async def cancel_one(id: FollowUpId, body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """End a follow-up as `dropped: cancelled_by_operator`, or as `sent` if a channel went out already."""
    return await cancel(context, actor, id, note=validate(ActOptions, body).note)


@router.post("/resend", openapi_extra=_BULK)
async def resend_many(body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Send again what failed as `send_failed`, page by page; what a rule forbids now stays as it is."""
    return await _act(context, actor, "resend", validate(BulkOptions, body))


@router.post("/resolve", openapi_extra=describe_body("ResolveManyOptions"))
async def resolve_many(body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Settle messages whose results are unknown, page by page: all of them were sent, or none was.

    Without `ids`, it takes only follow-ups that are `failed` with `send_unknown`. Repeated, it changes nothing.
    """
    given = validate(ResolveManyOptions, body)
    return await _act(context, actor, "resolve", given, was_sent=given.sent)


@router.post("/send-now", openapi_extra=_BULK)
async def send_many_now(body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Evaluate and send follow-ups now, page by page; the rules of their due time still apply.

    `state` is `open` by default.
    """
    return await _act(context, actor, "send_now", validate(BulkOptions, body))


@router.post("/postpone", openapi_extra=describe_body("PostponeOptions"))
async def postpone_many(body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Move the time that follow-ups wait for, page by page; `state` is `open` by default."""
    given = validate(PostponeOptions, body)
    return await _act(context, actor, "postpone", given, to=given.until or given.by)


@router.post("/cancel", openapi_extra=_BULK)
async def cancel_many(body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """End follow-ups as `dropped: cancelled_by_operator`, page by page; `state` is `open` by default."""
    return await _act(context, actor, "cancel", validate(BulkOptions, body))


async def _act(
    context: AppContext,
    actor: Actor,
    verb: BulkVerb | Literal["resend", "resolve"],
    given: BulkOptions,
    *,
    to: datetime | timedelta | None = None,
    was_sent: bool | None = None,
) -> dict[str, Any]:
    criteria = Criteria(given.state, given.campaign, given.user, given.reason, given.channel, given.since)
    action = BulkAction(verb, criteria, to, given.note, tuple(given.ids or ()), was_sent)
    return await act_on_follow_ups(context, actor, action, after=given.after, limit=given.limit, dry_run=given.dry_run)
