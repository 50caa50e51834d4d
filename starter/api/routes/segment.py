"""Segment's public tracking protocol, which its SDKs and RudderStack's speak: `POST /v1/track`, `/v1/batch` …

Its status codes say to those SDKs whether to try again: 400 never, 429 and 5xx they do (docs/sources/segment.md).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic_core import to_json

from connector.app.configuration import SettingsWrong
from connector.app.context import AppContext
from connector.ingest.segment import SegmentResult, ingest_messages
from connector.rules.model.errors import DefinitionError
from connector.segment.envelope import KINDS
from connector.segment.mapping import SegmentMapping
from connector.segment.reading import read_mapping
from starter.api.access.scopes import Scope, needs
from starter.api.context import ContextHere
from starter.api.openapi.segment_examples import ANSWERS, batch_body, message_body
from starter.api.requests.body import parse_json
from starter.api.requests.errors import TOLD, ApiError, as_api_error
from starter.api.requests.unpacking import read_rest, read_unpacked
from starter.api.routes.metrics import interactions_ingested, segment_messages

LARGEST_MESSAGE = 32 * 1024
LARGEST_BATCH = 500 * 1024
MOST_MESSAGES = 2500
LONGEST_FAULT = 300

_log = structlog.get_logger("api")


class SegmentRoute(APIRoute):
    """Errors carry `code` and `message` at the top too, where these SDKs look for them: without, RudderStack's for
    Python takes any answer for a network fault and tries again. What was not read of a body is read before the answer.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, with its errors told."""
        handle = super().get_route_handler()

        async def handle_or_tell(request: Request) -> Response:
            try:
                return await handle(request)
            except TOLD as raised:
                error = as_api_error(raised)
                await read_rest(request)
                return error.answer(code=error.code, message=error.message)

        return handle_or_tell


router = APIRouter(
    prefix="/v1",
    tags=["segment"],
    route_class=SegmentRoute,
    responses=ANSWERS,
    dependencies=[Depends(needs(Scope.INGEST))],
)


def open_mapping(context: AppContext) -> SegmentMapping:
    """The mapping as the settings say. Raises SettingsWrong with every fault of its file."""
    try:
        return read_mapping(context.settings.segment_mapping)
    except DefinitionError as error:
        raise SettingsWrong(f"CONNECTOR_SEGMENT_MAPPING: {error}") from None


def mapping_of(request: Request) -> SegmentMapping:
    """The mapping that the application was made with."""
    mapping: SegmentMapping = request.app.state.segment
    return mapping


async def read_message(request: Request) -> Any:
    """The body of a single call."""
    return parse_json(await read_unpacked(request, LARGEST_MESSAGE, too_large=400))


async def read_batch(request: Request) -> Mapping[str, Any]:
    """The body of a batch, which has a list of messages. Raises ApiError."""
    body = parse_json(await read_unpacked(request, LARGEST_BATCH, too_large=400))
    if not isinstance(body, Mapping) or not isinstance(body.get("batch"), list):
        raise ApiError(400, "invalid", 'the body must be {"batch": [...]}, a list of messages')
    if len(body["batch"]) > MOST_MESSAGES:
        message = (
            f"{len(body['batch'])} messages are more than {MOST_MESSAGES}; nothing was taken, send several batches"
        )
        raise ApiError(400, "too_many", message)
    return body


MappingHere = Annotated[SegmentMapping, Depends(mapping_of)]
Message = Annotated[Any, Depends(read_message)]
Batch = Annotated[Mapping[str, Any], Depends(read_batch)]


@router.post("/track", openapi_extra=message_body("track"))
async def track(message: Message, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """Take in what a user did: an interaction, purchases, or an event by its name, as the mapping says."""
    return await _take_one("track", message, mapping, context)


@router.post("/identify", openapi_extra=message_body("identify"))
async def identify(message: Message, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """Change what is known of a user; traits that are no field become attributes. Null removes."""
    return await _take_one("identify", message, mapping, context)


@router.post("/page", openapi_extra=message_body("page"))
async def page(message: Message, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """Take in a page view, as the event `page`."""
    return await _take_one("page", message, mapping, context)


@router.post("/screen", openapi_extra=message_body("screen"))
async def screen(message: Message, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """Take in a screen view, as the event `screen`."""
    return await _take_one("screen", message, mapping, context)


@router.post("/group", openapi_extra=message_body("group"))
async def group(message: Message, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """Keep a user's group as the attributes `group_id` and `group`."""
    return await _take_one("group", message, mapping, context)


@router.post("/alias", openapi_extra=message_body("alias"))
async def alias(message: Message, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """Make two ids lead to one user. Two users who both have a history stay two, and the call is refused."""
    return await _take_one("alias", message, mapping, context)


@router.post("/batch", openapi_extra=batch_body())
async def batch(body: Batch, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """Take in up to 2,500 messages in their order. Those that cannot be taken are listed, and stop no other."""
    return await _take_batch(body, mapping, context)


@router.post("/import", openapi_extra=batch_body())
async def import_history(body: Batch, mapping: MappingHere, context: ContextHere) -> JSONResponse:
    """The same as `batch`; what happened longer ago than the log is kept is among those that cannot be taken."""
    return await _take_batch(body, mapping, context)


async def _take_one(kind: str, message: Any, mapping: SegmentMapping, context: AppContext) -> JSONResponse:
    taken = await ingest_messages(context, mapping, [message], kind=kind)
    _count([kind], taken, context)
    if fault := taken.faults.get(0):
        raise ApiError(400, "invalid", fault[:LONGEST_FAULT])
    return JSONResponse({"success": True})


async def _take_batch(body: Mapping[str, Any], mapping: SegmentMapping, context: AppContext) -> JSONResponse:
    messages, shared = body["batch"], body.get("context")
    fit = [_fitting(message) for message in messages]
    taken = await ingest_messages(context, mapping, fit, shared=shared if isinstance(shared, Mapping) else {})
    for index, (message, fitting) in enumerate(zip(messages, fit, strict=True)):
        if fitting is not message:
            taken.faults[index] = f"is larger than {LARGEST_MESSAGE} bytes"
    _count([_kind(message) for message in messages], taken, context)
    rejected = [_told(messages[index], index, fault) for index, fault in sorted(taken.faults.items())]
    return JSONResponse({"success": True, **({"rejected": rejected} if rejected else {})})


def _fitting(message: Any) -> Any:
    """The message, None where it is too large by itself."""
    return message if len(to_json(message)) <= LARGEST_MESSAGE else None


def _told(message: Any, index: int, fault: str) -> dict[str, Any]:
    given = message.get("messageId") if isinstance(message, Mapping) else None
    return {"index": index, "messageId": given if isinstance(given, str) else None, "fault": fault[:LONGEST_FAULT]}


def _kind(message: Any) -> str:
    kind = message.get("type") if isinstance(message, Mapping) else None
    return kind if kind in KINDS else "unknown"


def _count(kinds: Sequence[str], taken: SegmentResult, context: AppContext) -> None:
    context.outbox.nudge()
    for result in taken.results:
        interactions_ingested.labels(result.status).inc()
    for index, kind in enumerate(kinds):
        segment_messages.labels(kind, "rejected" if index in taken.faults else "taken").inc()
    if taken.faults:
        _log.warning("segment_messages_rejected", rejected=len(taken.faults), of=len(kinds))
