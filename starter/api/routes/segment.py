"""Segment's public tracking protocol, which its SDKs and RudderStack's speak: `POST /v1/track`, `/v1/batch` …

The SDKs retry by status: never after 400, always after 429 and 5xx (docs/sources/segment.md).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic_core import to_json

from connector.app.configuration import SettingsWrong
from connector.app.context import AppContext
from connector.rules.model.audit import Actor
from connector.rules.model.errors import DefinitionError
from connector.rules.model.joining import Joiner, JoinRoute
from connector.rules.model.values import replace_surrogates
from connector.rules.targeting.client_reports import MAX_CLIENT_ITEMS, ClientReports
from connector.segment.envelope import KINDS
from connector.segment.mapping import SegmentMapping, read_mapping
from starter.api.access.actors import ActorHere
from starter.api.access.reports import limits_of
from starter.api.access.scopes import Scope, caller_of, needs, needs_or_client
from starter.api.context import ContextHere
from starter.api.openapi.segment_examples import ANSWERS, batch_body, message_body
from starter.api.requests.body import parse_items, parse_json
from starter.api.requests.decompression import read_decompressed
from starter.api.requests.errors import HANDLED_ERRORS, ApiError, as_api_error
from starter.api.requests.metrics import interactions_ingested, segment_messages
from starter.operations.segment import SegmentResult, ingest_messages

MAX_MESSAGE_BYTES = 32 * 1024
MAX_BATCH_BYTES = 500 * 1024
MAX_MESSAGES = 2500
MAX_FAULT_CHARACTERS = 300

_log = structlog.get_logger("api")


class SegmentRoute(APIRoute):
    """A route whose errors also have `code` and `message` at the top level, where these SDKs look for them.

    Without them, RudderStack's SDK for Python treats any response as a network error and retries.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler of the route, wrapped to convert errors."""
        handle = super().get_route_handler()

        async def handle_with_errors(request: Request) -> Response:
            try:
                return await handle(request)
            except HANDLED_ERRORS as raised:
                error = as_api_error(raised)
                return error.response(code=error.code, message=error.message)

        return handle_with_errors


router = APIRouter(prefix="/v1", tags=["segment"], route_class=SegmentRoute, responses=ANSWERS)
_SERVERS_AND_CLIENTS = [Depends(needs_or_client(Scope.INGEST))]
_SERVERS = [Depends(needs(Scope.INGEST))]


def open_mapping(context: AppContext) -> SegmentMapping:
    """Read the configured mapping. Raises SettingsWrong with every fault of its file."""
    try:
        return read_mapping(context.settings.segment_mapping)
    except DefinitionError as error:
        raise SettingsWrong(f"CONNECTOR_SEGMENT_MAPPING: {error}") from None


def mapping_of(request: Request) -> SegmentMapping:
    """Return the mapping that the application was created with."""
    mapping: SegmentMapping = request.app.state.segment
    return mapping


MappingHere = Annotated[SegmentMapping, Depends(mapping_of)]


@dataclass(frozen=True)
class Sender:
    """The caller of a route.

    Args:
        may_join_identified: its key has `manage`.
        limits: what it may report; None: everything.
    """

    context: AppContext
    mapping: SegmentMapping
    actor: Actor
    may_join_identified: bool
    limits: ClientReports | None

    async def ingest(self, messages: Sequence[Any], route: JoinRoute, **options: Any) -> SegmentResult:
        """Ingest messages as `ingest_messages` does, with its options."""
        joiner = Joiner(self.actor, self.may_join_identified, route)
        return await ingest_messages(self.context, self.mapping, messages, joiner, limits=self.limits, **options)


async def read_message(request: Request) -> Any:
    """Read the body of a single call."""
    return parse_json(await read_decompressed(request, MAX_MESSAGE_BYTES, too_large=400))


async def read_batch(request: Request) -> Mapping[str, Any]:
    """Read the body of a batch, which has a list of messages. Raises ApiError."""
    body = parse_items(await read_decompressed(request, MAX_BATCH_BYTES, too_large=400))
    if not isinstance(body, Mapping) or not isinstance(body.get("batch"), list):
        raise ApiError(400, "invalid", 'the body must be {"batch": [...]}, a list of messages')
    _check_number(body["batch"], MAX_MESSAGES)
    return body


def _check_number(messages: Sequence[Any], limit: int) -> None:
    if len(messages) > limit:
        message = f"{len(messages)} messages are more than {limit}; nothing was stored, send several batches"
        raise ApiError(400, "too_many", message)


async def sender_of(request: Request, mapping: MappingHere, context: ContextHere, actor: ActorHere) -> Sender:
    """Return who sends the messages, with what they are ingested by. The route's own dependency checks the scopes."""
    caller = await caller_of(request)
    return Sender(context, mapping, actor, caller.has_scope(Scope.MANAGE), limits_of(caller, context))


SenderHere = Annotated[Sender, Depends(sender_of)]
Message = Annotated[Any, Depends(read_message)]
Batch = Annotated[Mapping[str, Any], Depends(read_batch)]


@router.post("/track", dependencies=_SERVERS_AND_CLIENTS, openapi_extra=message_body("track"))
async def track(message: Message, sender: SenderHere) -> JSONResponse:
    """Ingest what a user did: an interaction, purchases, or an event by its name, according to the mapping."""
    return await _ingest_one("track", message, sender)


@router.post("/identify", dependencies=_SERVERS_AND_CLIENTS, openapi_extra=message_body("identify"))
async def identify(message: Message, sender: SenderHere) -> JSONResponse:
    """Merge traits into the user; traits that are not profile fields become attributes. Null removes."""
    return await _ingest_one("identify", message, sender)


@router.post("/page", dependencies=_SERVERS_AND_CLIENTS, openapi_extra=message_body("page"))
async def page(message: Message, sender: SenderHere) -> JSONResponse:
    """Ingest a page view, as the event `page`."""
    return await _ingest_one("page", message, sender)


@router.post("/screen", dependencies=_SERVERS_AND_CLIENTS, openapi_extra=message_body("screen"))
async def screen(message: Message, sender: SenderHere) -> JSONResponse:
    """Ingest a screen view, as the event `screen`."""
    return await _ingest_one("screen", message, sender)


@router.post("/group", dependencies=_SERVERS_AND_CLIENTS, openapi_extra=message_body("group"))
async def group(message: Message, sender: SenderHere) -> JSONResponse:
    """Store a user's group as the attributes `group_id` and `group`."""
    return await _ingest_one("group", message, sender)


@router.post("/alias", dependencies=_SERVERS, openapi_extra=message_body("alias"))
async def alias(message: Message, sender: SenderHere) -> JSONResponse:
    """Join an id that was used only as `anonymousId` into a user; any other id needs a key that also has `manage`.

    If both have a history, the call is refused and they stay two users.
    """
    return await _ingest_one("alias", message, sender)


@router.post("/batch", dependencies=_SERVERS_AND_CLIENTS, openapi_extra=batch_body())
async def batch(body: Batch, sender: SenderHere) -> JSONResponse:
    """Ingest up to 2,500 messages in their order. Rejected messages are listed and stop no other."""
    return await _ingest_batch(body, "batch", sender)


@router.post("/import", dependencies=_SERVERS, openapi_extra=batch_body())
async def import_history(body: Batch, sender: SenderHere) -> JSONResponse:
    """Ingest a batch of past messages; messages older than the retention of the log are rejected."""
    return await _ingest_batch(body, "import", sender)


async def _ingest_one(kind: str, message: Any, sender: Sender) -> JSONResponse:
    ingested = await sender.ingest([message], "alias", kind=kind)
    _count([kind], ingested, sender.context)
    if fault := ingested.faults.get(0):
        if ingested.forbidden:
            raise ApiError(403, "forbidden", fault, details={"missing": [Scope.MANAGE.value]})
        raise ApiError(400, "invalid", _shown(fault))
    return JSONResponse(
        {"success": True, **({"warnings": [*map(_shown, ingested.warnings[0])]} if ingested.warnings else {})}
    )


async def _ingest_batch(body: Mapping[str, Any], route: JoinRoute, sender: Sender) -> JSONResponse:
    messages, shared = body["batch"], body.get("context")
    if sender.limits is not None:
        _check_number(messages, MAX_CLIENT_ITEMS)
    fit = [_unless_too_large(message) for message in messages]
    shared = shared if isinstance(shared, Mapping) else {}
    ingested = await sender.ingest(fit, route, shared=shared, sent_at=body.get("sentAt"))
    for index, (message, fitting) in enumerate(zip(messages, fit, strict=True)):
        if fitting is not message:
            ingested.faults[index] = f"is larger than {MAX_MESSAGE_BYTES} bytes"
    _count([_kind_of(message) for message in messages], ingested, sender.context)
    rejected = [
        {**_place_of(messages[index], index), "fault": replace_surrogates(fault[:MAX_FAULT_CHARACTERS])}
        for index, fault in sorted(ingested.faults.items())
    ]
    warned = [
        {
            **_place_of(messages[index], index),
            "warnings": [replace_surrogates(one[:MAX_FAULT_CHARACTERS]) for one in of],
        }
        for index, of in sorted(ingested.warnings.items())
    ]
    lists = {"rejected": rejected, "warnings": warned}
    return JSONResponse({"success": True, **{name: listed for name, listed in lists.items() if listed}})


def _unless_too_large(message: Any) -> Any:
    """Return the message; None if it is too large by itself. One that cannot be written is refused for that later."""
    try:
        return message if len(to_json(message)) <= MAX_MESSAGE_BYTES else None
    except ValueError:
        return message


def _shown(text: str) -> str:
    return replace_surrogates(text[:MAX_FAULT_CHARACTERS])


def _place_of(message: Any, index: int) -> dict[str, Any]:
    given = message.get("messageId") if isinstance(message, Mapping) else None
    return {"index": index, "messageId": replace_surrogates(given) if isinstance(given, str) else None}


def _kind_of(message: Any) -> str:
    kind = message.get("type") if isinstance(message, Mapping) else None
    return kind if kind in KINDS else "unknown"


def _count(kinds: Sequence[str], ingested: SegmentResult, context: AppContext) -> None:
    context.outbox.nudge()
    for result in ingested.results:
        interactions_ingested.labels(result.status).inc()
    for index, kind in enumerate(kinds):
        segment_messages.labels(kind, "rejected" if index in ingested.faults else "taken").inc()
    if ingested.faults:
        _log.warning("segment_messages_rejected", rejected=len(ingested.faults), of=len(kinds))
