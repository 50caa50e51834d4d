"""`/v1/follow-ups/…`: settle unknown messages, send failed ones again, and act on many follow-ups at once."""

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
from starter.api.requests.options import BulkOptions, PostponeOptions, ResendOptions, ResolveOptions
from starter.operations.bulk import BulkAction, act_on_page, view_page
from starter.operations.follow_ups import Criteria
from starter.operations.repair import resend_one, resolve, view_resend, view_settled

router = APIRouter(prefix="/v1/follow-ups", tags=["follow-ups"], dependencies=[Depends(needs(Scope.MANAGE))])
_BULK = describe_body("BulkOptions")


@router.post("/{id}/resolve", openapi_extra=describe_body("ResolveOptions"))
async def resolve_message(id: str, body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Settle a message whose result is unknown (`send_unknown`): it was sent, or it was not and may be sent again.

    Repeated, it changes nothing. 409 if its result is known, and another one.
    """
    given = validate(ResolveOptions, body)
    settled = await resolve(context, actor, id, was_sent=given.sent, channel=given.channel, note=given.note)
    return view_settled(settled)


@router.post("/{id}/resend", openapi_extra=describe_body("ResendOptions", required=False))
async def resend_messages(id: str, body: JsonOptions, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Send the messages of a follow-up again that failed, if the rules of its due time allow it now.

    Each is a new message for its provider. Repeated while it waits, it changes nothing. 409 with the reason if no
    message failed, or a rule forbids it.
    """
    given = validate(ResendOptions, body)
    result = await resend_one(context, actor, id, channel=given.channel, note=given.note, dry_run=given.dry_run)
    return view_resend(result, dry_run=given.dry_run)


@router.post("/resend", openapi_extra=_BULK)
async def resend_many(body: JsonObject, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Send again what failed as `send_failed`, page by page; what a rule forbids now stays as it is."""
    return await _act(context, actor, "resend", validate(BulkOptions, body))


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
    verb: BulkVerb | Literal["resend"],
    given: BulkOptions,
    *,
    to: datetime | timedelta | None = None,
) -> dict[str, Any]:
    criteria = Criteria(given.state, given.campaign, given.user, given.reason, given.channel, given.since)
    action = BulkAction(verb, criteria, to, given.note)
    page = await act_on_page(context, actor, action, after=given.after, limit=given.limit, dry_run=given.dry_run)
    return view_page(page, dry_run=given.dry_run)
