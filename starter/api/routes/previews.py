"""`POST /v1/campaigns/{id}/preview` and `/send-test`: messages as they would be sent, and one marked test message."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends

from starter.api.access.actors import ActorHere
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.document import describe_body
from starter.api.requests.body import Description, JsonOptions, validate
from starter.api.requests.options import PreviewOptions, SendTestOptions
from starter.operations.marked_sends import send_test
from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import preview_messages

router = APIRouter(prefix="/v1/campaigns", tags=["campaigns"])
_READS, _MANAGES = ([Depends(needs(scope))] for scope in (Scope.READ, Scope.MANAGE))


@router.post("/{id}/preview", dependencies=_READS, openapi_extra=describe_body("PreviewOptions", required=False))
async def preview(id: str, body: JsonOptions, context: ContextHere) -> dict[str, Any]:
    """Return the messages that a user would get if the campaign were live and triggered now. Nothing is changed.

    Each message is rendered exactly as it would be sent. `checks` are the rules that decide about it, as of its due
    time, with their evidence as in `explain`; `checks_now` are the same rules as if it were due at once. Links are
    shown as written; in `sent_html` and `sent_text`, tracked ones are placeholders of the same length, which lead
    nowhere. 409 if the campaign sends nothing, or not on that channel or in that variant.
    """
    return await preview_messages(context, _choice(id, validate(PreviewOptions, body)))


@router.post("/{id}/send-test", dependencies=_MANAGES, openapi_extra=describe_body("SendTestOptions"))
async def send_test_message(id: str, body: Description, context: ContextHere, actor: ActorHere) -> dict[str, Any]:
    """Send one message of a preview through the channel's provider, marked as a test, to an address of your own.

    It begins with `[Test]`, has no tracked links, and makes no follow-up, no interaction and no receipt. Without
    `channel`, the form of the address decides it. 409 with the reason if nothing was sent: no provider, an address of
    another kind or a suppressed one, a template that fails, or a rate that is used up.
    """
    given = validate(SendTestOptions, body)
    return await send_test(context, actor, _choice(id, given), given.address, reason=given.reason)


def _choice(id: str, given: PreviewOptions) -> Choice:
    return Choice(
        campaign=id,
        definition=given.definition,
        user=given.user,
        profile=given.profile,
        channel=given.channel,
        variant=given.variant,
        trigger=given.trigger,
        live=given.live,
        revision=given.revision,
    )
