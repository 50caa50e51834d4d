"""`POST /webhooks/{provider}`: what providers of email and sms tell, each by a module of its own (see `protocol`).

A call is read up to its bound, proved, parsed, and taken in before it is answered. Whoever gets a 503 tells it again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Path, Request, Response
from prometheus_client import Counter

from connector.app.context import AppContext
from connector.channels.tracking import open_tokens
from connector.provider_events.intake import ProviderEventIntake
from connector.rules.provider_events.events import PROVIDERS, ProviderEvent
from connector.tracking.own_links import OwnLinks
from starter.api.context import ContextHere
from starter.api.openapi.responses import RETRY_AFTER
from starter.api.requests.body import read_bounded
from starter.api.requests.errors import ApiError, not_found, unavailable
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, TryAgainLater, WebhookCall, WebhookProvider

provider_events = Counter(
    "connector_provider_events", "Events that providers told, by their fate.", ["provider", "fate"]
)
unmatched_events = Counter(
    "connector_unmatched_reports", "Events that could not be led back, by why not.", ["provider", "reason"]
)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    204: {"description": "Taken in. So is one that was taken in before, or that tells of no message of ours."},
    400: {"description": "The body is not what this provider sends."},
    403: {"description": "The signature is missing, wrong or too old."},
    404: {"description": "There is no such provider, or its webhook is not set up."},
    413: {"description": "The body is larger than any that this provider sends."},
    503: {"description": "Not now; tell it again after Retry-After.", "headers": RETRY_AFTER},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "As the provider sends it; the signature is over its bytes.",
        "required": True,
        "content": {"application/json": {"schema": {}}, "application/x-www-form-urlencoded": {"schema": {}}},
    }
}
_log = structlog.get_logger("webhooks")

router = APIRouter(tags=["webhooks"])


def open_intake(context: AppContext) -> ProviderEventIntake:
    """What takes providers' events in, as the settings say."""
    return ProviderEventIntake(
        context.database,
        context.cache,
        context.intake,
        context.workspace,
        links=OwnLinks(open_tokens(context.settings), context.settings.tracking.url),
        retention=timedelta(days=context.settings.retention_days),
        counted=lambda provider, fate, number: provider_events.labels(provider, fate).inc(number),
        unmatched=lambda provider, reason: unmatched_events.labels(provider, reason).inc(),
    )


def providers_of(request: Request) -> Mapping[str, WebhookProvider]:
    """Those that the application was made with."""
    providers: Mapping[str, WebhookProvider] = request.app.state.providers
    return providers


ProvidersHere = Annotated[Mapping[str, WebhookProvider], Depends(providers_of)]
Name = Annotated[str, Path(json_schema_extra={"enum": list(PROVIDERS)})]


@router.post("/webhooks/{provider}", status_code=204, responses=_ANSWERS, openapi_extra=_BODY)
async def ingest_events(provider: Name, request: Request, context: ContextHere, providers: ProvidersHere) -> Response:
    """Take in what a provider tells. No key is needed: the provider signs what it sends."""
    known = providers.get(provider)
    if known is None:
        raise not_found(f"/webhooks/{provider}")
    events = await _read(known, request)
    intake: ProviderEventIntake = request.app.state.provider_intake
    if await intake.ingest(events):
        context.outbox.nudge()
    _log.info("events_told", provider=known.name, number=len(events))
    return Response(status_code=204)


async def _read(provider: WebhookProvider, request: Request) -> Sequence[ProviderEvent]:
    """The events of a call that was proved.

    Raises:
        ApiError: 413, 403, 400 or 503.
    """
    call = WebhookCall(
        query=request.url.query,
        headers={name.lower(): value for name, value in request.headers.items()},
        body=await read_bounded(request, provider.max_body_bytes),
        at=datetime.fromtimestamp(time.time(), UTC),
    )
    try:
        await provider.verify(call)
        told = await provider.parse(call)
    except SignatureInvalid as fault:
        _log.warning("call_with_a_wrong_signature", provider=provider.name)
        raise ApiError(403, "forbidden", str(fault)) from None
    except BodyInvalid as fault:
        raise ApiError(400, "invalid_body", str(fault)) from None
    except TryAgainLater as fault:
        raise unavailable("out_of_reach", str(fault)) from None
    except RecursionError:
        raise ApiError(400, "invalid_body", "the body is nested too deeply") from None
    return [event for one in told if (event := _normalised(provider, one)) is not None]


def _normalised(provider: WebhookProvider, told: Any) -> ProviderEvent | None:
    """One event; one that tells of no message, or is not as its provider describes them, is counted and left out."""
    try:
        event = provider.normalise(told)
        if event is None:
            provider_events.labels(provider.name, "no_message").inc()
        return event
    except (AttributeError, LookupError, TypeError, ValueError, BodyInvalid) as fault:  # its text may name a person
        _log.warning("event_is_not_understood", provider=provider.name, error=type(fault).__name__)
        provider_events.labels(provider.name, "unreadable").inc()
        return None
