"""Which statuses each operation may answer, told in one place: most follow from what the operation is.

A test lets a generator of requests look for answers that are not told here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.segment.envelope import KINDS
from starter.api.requests.errors import RETRY_AFTER_SECONDS

Operation = dict[str, Any]

_NOT_NOW = "Not now: the database, Temporal or a worker is away, or there is too much to do. Nothing was stored."
_MEANINGS: dict[int, tuple[str, str, str]] = {
    400: ("The body cannot be read.", "invalid_json", "the body is not JSON: EOF while parsing a value at line 1"),
    401: ("No key, or a wrong one.", "unauthorized", "a key is needed; send the header `Authorization: Bearer KEY`"),
    403: ("The key or token is not good for this.", "forbidden", "the key has not the scope `manage`"),
    404: ("What the path names is not known.", "not_found", "the campaign or card spring is not known"),
    408: ("The body did not come in time.", "too_slow", "the body did not arrive within 30 seconds"),
    409: ("The rules refuse it, or something is not set up.", "refused", "cart-reminder: is archived"),
    410: ("The user was erased, and does not come back.", "erased", "the user was erased"),
    413: ("The body is too large.", "too_large", "the body is larger than 10485760 bytes; send less at once"),
    415: ("The body is encoded in another way than gzip.", "unsupported_encoding", "send gzip, or no encoding"),
    422: ("Something is wrong; `details.faults` has each.", "invalid", "time_zone: 'Mars' is not an IANA time zone"),
    429: ("More requests than the key's rate.", "rate_limited", "too many requests with this key; wait a moment"),
    503: (_NOT_NOW, "store_unavailable", "the database cannot be used now; try again"),
}
"""By status: what it means, and an example's code and message."""

RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {
        "description": "Seconds.",
        "schema": {"type": "integer", "minimum": 1},
        "example": RETRY_AFTER_SECONDS,
    }
}
"""The header of the answers that say when to come again."""

_WITH_KEY = {401, 403, 429}
_WITH_BODY = {400, 408, 413, 415, 422}
_PARTICULAR: dict[str, set[int]] = {
    "users-replace_user": {410},
    "users-change_user": {404, 410},
    "users-read_user": {404},
    "users-erase": {404},
    "users-explain": {404, 410},
    "campaigns-read_campaign": {404},
    "campaigns-save_campaign": {409},
    "campaigns-publish": {404, 409},
    "campaigns-stop": {404, 409},
    "campaigns-resume": {404, 409},
    "campaigns-archive": {404, 409},
    "campaigns-read_results": {404},
    "inbox-read_inbox": {404},
    "inbox-mint_token": {409, 410},
    "inbox-view": {404},
    "inbox-click": {404},
    "inbox-dismiss": {404},
    "pushes-open_push": {404},
    "pushes-click": {404},
}
"""What does not follow from what an operation is, by its id."""
_WHOLLY: dict[str, set[int]] = {
    "operation-alive": set(),
    "webhooks-take_events": {400, 403, 404, 408, 413, 503},
    **{f"segment-{name}": {400, 401, 403, 408, 415, 429, 503} for name in (*KINDS, "batch", "import_history")},
}
"""All errors of operations of which nothing follows: Segment's SDKs know 400 for whatever is wrong with a body, and
providers sign their bodies as they are."""

_WAITS = ("429", "503")


def complete(document: dict[str, Any], place: str) -> None:
    """Tell every error of every operation, in the one shape of errors that stands at `place` in the document."""
    for operation in operations(document):
        responses = operation["responses"]
        statuses = _statuses(operation)
        if 422 not in statuses:
            responses.pop("422", None)
        for status in sorted(statuses):
            _tell(responses, status, place)
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Every operation of a document."""
    for path in document["paths"].values():
        yield from path.values()


def particular() -> frozenset[str]:
    """The ids of operations of which something particular is told."""
    return frozenset({*_PARTICULAR, *_WHOLLY})


def _statuses(operation: Operation) -> set[int]:
    if operation["operationId"] in _WHOLLY:
        return _WHOLLY[operation["operationId"]]
    statuses = {503} | _PARTICULAR.get(operation["operationId"], set())
    if operation.get("security"):
        statuses |= _WITH_KEY
    if operation.get("parameters"):
        statuses |= {422}
    if "requestBody" in operation:
        statuses |= _WITH_BODY
    return statuses


def _tell(responses: dict[str, Any], status: int, place: str) -> None:
    """What a route says of a status itself stands, but for FastAPI's own 422, which is not the shape of ours."""
    if str(status) not in responses or status == 422:
        responses[str(status)] = _response(status, place)


def _response(status: int, place: str) -> dict[str, Any]:
    meaning, code, message = _MEANINGS[status]
    example = {"error": {"code": code, "message": message}}
    content = {"application/json": {"schema": {"$ref": place}, "example": example}}
    response: dict[str, Any] = {"description": meaning, "content": content}
    if str(status) in _WAITS:
        response["headers"] = RETRY_AFTER
    return response
