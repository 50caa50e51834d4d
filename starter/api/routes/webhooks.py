"""`POST /webhooks/{provider}`: events that email and SMS providers report.

A call is read up to its size limit, verified, parsed, and ingested before it is answered. After a 503 the provider
sends it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Path, Request, Response

from connector.app.context import AppContext
from connector.provider_events.intake import ProviderEventIntake, open_provider_event_intake
from connector.rules.provider_events.events import PROVIDERS, ProviderEvent
from starter.api.context import ContextHere, machine_now
from starter.api.openapi.responses import RETRY_AFTER
from starter.api.requests.admission import admit
from starter.api.requests.body import read_bounded
from starter.api.requests.errors import ApiError, not_found, unavailable
from starter.api.requests.metrics import provider_events, unmatched_events
from starter.api.requests.pools import PoolName
from starter.webhooks.protocol import BodyInvalid, SignatureInvalid, TryAgainLater, WebhookCall, WebhookProvider

_ANSWERS: dict[int | str, dict[str, Any]] = {
    204: {"description": "Ingested. So is a duplicate, and an event that is about no message of ours."},
    400: {"description": "The body is not what this provider sends."},
    403: {"description": "The signature is missing, wrong or too old."},
    404: {"description": "There is no such provider, or its webhook is not configured."},
    413: {"description": "The body is larger than any that this provider sends."},
    503: {"description": "Unavailable; send it again after Retry-After.", "headers": RETRY_AFTER},
}
_BODY: dict[str, Any] = {
    "requestBody": {
        "description": "As the provider sends it, JSON or (Mailgun, Twilio) a form; the signature covers its bytes.",
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}
_log = structlog.get_logger("webhooks")

router = APIRouter(tags=["webhooks"])


def open_intake(context: AppContext) -> ProviderEventIntake:
    """Create the intake of providers' events from the settings, with metrics."""
    return open_provider_event_intake(
        context.settings,
        context.database,
        context.cache,
        context.intake,
        counted=lambda provider, outcome, number: provider_events.labels(provider, outcome).inc(number),
        unmatched=lambda provider, reason: unmatched_events.labels(provider, reason).inc(),
    )


def providers_of(request: Request) -> Mapping[str, WebhookProvider]:
    """Return the providers that the application was created with."""
    providers: Mapping[str, WebhookProvider] = request.app.state.providers
    return providers


ProvidersHere = Annotated[Mapping[str, WebhookProvider], Depends(providers_of)]
Name = Annotated[str, Path(json_schema_extra={"enum": list(PROVIDERS)})]


@router.post(
    "/webhooks/{provider}",
    name="take_events",  # part of the operation id, which generated clients use
    status_code=204,
    responses=_ANSWERS,
    openapi_extra=_BODY,
)
async def ingest_events(provider: Name, request: Request, context: ContextHere, providers: ProvidersHere) -> Response:
    """Ingest the events that a provider reports. No API key is needed: the provider signs its calls."""
    configured = providers.get(provider)
    if configured is None:
        raise not_found(f"/webhooks/{provider}")
    headers = {name.lower(): value for name, value in request.headers.items()}
    _check_head(configured, headers)
    await admit(request, PoolName.WEBHOOKS)
    events = await _read_events(configured, headers, request)
    intake: ProviderEventIntake = request.app.state.provider_intake
    if await intake.ingest(events):
        context.outbox.nudge()
    _log.info("provider_events_ingested", provider=configured.name, number=len(events))
    return Response(status_code=204)


def _check_head(provider: WebhookProvider, headers: Mapping[str, str]) -> None:
    """Raise ApiError (403) for a call whose headers show that the provider did not make it."""
    try:
        provider.check_head(headers)
    except SignatureInvalid as fault:
        raise _signature_invalid(provider, fault) from None


def _signature_invalid(provider: WebhookProvider, fault: SignatureInvalid) -> ApiError:
    _log.warning("webhook_signature_invalid", provider=provider.name)
    return ApiError(403, "forbidden", str(fault))


async def _read_events(
    provider: WebhookProvider, headers: Mapping[str, str], request: Request
) -> Sequence[ProviderEvent]:
    """Return the events of a call, once it is verified.

    Raises:
        ApiError: 413, 403, 400 or 503.
    """
    call = WebhookCall(
        query=request.url.query,
        headers=headers,
        body=await read_bounded(request, provider.max_body_bytes),
        at=machine_now(),
    )
    try:
        await provider.verify(call)
        items = await provider.parse(call)
    except SignatureInvalid as fault:
        raise _signature_invalid(provider, fault) from None
    except BodyInvalid as fault:
        raise ApiError(400, "invalid_body", str(fault)) from None
    except TryAgainLater as fault:
        raise unavailable("out_of_reach", str(fault)) from None
    except RecursionError:
        raise ApiError(400, "invalid_body", "the body is nested too deeply") from None
    return [event for item in items if (event := _normalise(provider, item)) is not None]


def _normalise(provider: WebhookProvider, item: Any) -> ProviderEvent | None:
    """Return the event in the common form; count and leave out an event without a message, or an unreadable one."""
    try:
        event = provider.normalise(item)
        if event is None:
            provider_events.labels(provider.name, "no_message").inc()
        return event
    except (AttributeError, LookupError, TypeError, ValueError, BodyInvalid) as fault:  # its text may name a person
        _log.warning("provider_event_unreadable", provider=provider.name, error=type(fault).__name__)
        provider_events.labels(provider.name, "unreadable").inc()
        return None
