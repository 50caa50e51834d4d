"""The error statuses of every operation, in one place: most follow from what the operation is.

A test with generated requests looks for statuses that are not declared here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connector.segment.envelope import KINDS
from starter.api.requests.errors import RETRY_AFTER_SECONDS

Operation = dict[str, Any]

_UNAVAILABLE = (
    "The database, Temporal or a worker is unavailable, or the server is overloaded. Nothing was stored, unless the "
    "message says that an order may still be carried out."
)
_MEANINGS: dict[int, tuple[str, str, str]] = {
    400: ("The body cannot be read.", "invalid_json", "the body is not JSON: EOF while parsing a value at line 1"),
    401: ("No key, or a wrong one.", "unauthorized", "a key is needed; send the header `Authorization: Bearer KEY`"),
    403: ("The key or token does not allow this.", "forbidden", "the key lacks the scope `manage`"),
    404: ("The resource in the path is not known.", "not_found", "the campaign or card spring is not known"),
    408: ("The body did not come in time.", "too_slow", "the body did not arrive within 30 seconds"),
    409: ("The rules refuse it, or a setting is missing.", "refused", "cart-reminder: is archived"),
    410: ("The user was erased, and does not come back.", "erased", "the user was erased"),
    413: ("The body is too large.", "too_large", "the body is larger than 10485760 bytes; send less at once"),
    415: ("The body is encoded in another way than gzip.", "unsupported_encoding", "send gzip, or no encoding"),
    422: (
        "The request is invalid; `details.faults` lists every fault.",
        "invalid",
        "time_zone: 'Mars' is not an IANA time zone",
    ),
    429: ("More requests than the key's rate.", "rate_limited", "too many requests with this key; wait a moment"),
    503: (_UNAVAILABLE, "store_unavailable", "the database cannot be used now; try again"),
    504: (
        "No worker answered in time. The order may still be carried out: repeat it with the same `Idempotency-Key`.",
        "order_unanswered",
        "no worker is polling 'connector-default-registry', all are busy, or Temporal hangs: no answer in 30 seconds",
    ),
}
"""By status: its meaning, and the code and message of the example."""

RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {
        "description": "Seconds.",
        "schema": {"type": "integer", "minimum": 1},
        "example": RETRY_AFTER_SECONDS,
    }
}
"""The header of responses after which a request may be repeated."""

_WITH_KEY = {401, 403, 429}
_WITH_BODY = {400, 408, 413, 415, 422}
_EXTRA_STATUSES: dict[str, set[int]] = {
    "users-replace_user": {410},
    "users-change_user": {404, 410},
    "users-read_user": {404},
    "users-erase": {404},
    "users-split": {404, 409},
    "users-explain": {404, 410},
    "users-read_timeline": {404},
    "users-read_history": {404, 410},
    "follow-ups-read_follow_up": {404},
    "campaigns-read_campaign": {404},
    "campaigns-save_campaign": {409},
    "campaigns-publish": {404, 409, 504},
    "campaigns-stop": {404, 409, 504},
    "campaigns-resume": {404, 409, 504},
    "campaigns-preview_resume": {404, 409},
    "campaigns-archive": {404, 409, 504},
    "campaigns-read_results": {404},
    "campaigns-review_campaign": {404},
    "campaigns-order": {409, 504},
    "campaigns-backtest": {404, 409},
    "definitions-apply": {409},
    "definitions-plan": {409},
    "definitions-simulate": {409},
    "definitions-save_workspace": {409},
    "campaigns-read_campaign_status": {404},
    "overview-read_graph": {404},
    "campaigns-preview": {404, 409, 410},
    "campaigns-send_test_message": {404, 409, 410},
    "follow-ups-resolve_message": {404, 409},
    "follow-ups-send_one_now": {404, 409},
    "follow-ups-postpone_one": {404, 409},
    "follow-ups-cancel_one": {404, 409},
    "keys-rotate_key": {404, 409},
    "keys-revoke_key": {404},
    "cleanup-clean_up": {409},
    "follow-ups-resend_messages": {404, 409},
    "inbox-read_inbox": {404, 410},
    "inbox-mint_token": {409, 410},
    "inbox-mint_user_token": {409, 410},
    "inbox-view": {404, 410},
    "inbox-click": {404, 410},
    "inbox-dismiss": {404, 410},
    "pushes-open_push": {404, 410},
    "pushes-click": {404, 410},
}
"""Further statuses, by operation id."""
_ALL_STATUSES: dict[str, set[int]] = {
    "operation-alive": set(),
    "webhooks-take_events": {400, 403, 404, 408, 413, 503},
    **{f"segment-{name}": {400, 401, 403, 408, 415, 429, 503} for name in (*KINDS, "batch", "import_history")},
}
"""All error statuses of operations to which the general rules do not apply: Segment's SDKs expect 400 for every fault
of a body, and providers sign their raw bodies."""

_WAITS = ("429", "503")


def add_error_responses(document: dict[str, Any], place: str) -> None:
    """Declare every error of every operation, with the error schema at `place`."""
    for operation in operations(document):
        responses = operation["responses"]
        statuses = _statuses(operation)
        if 422 not in statuses:
            responses.pop("422", None)
        for status in sorted(statuses):
            _add_response(responses, status, place)
    schemas = document["components"]["schemas"]
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)


def operations(document: dict[str, Any]) -> Iterator[Operation]:
    """Yield every operation of a document."""
    for path in document["paths"].values():
        yield from path.values()


def _statuses(operation: Operation) -> set[int]:
    if operation["operationId"] in _ALL_STATUSES:
        return _ALL_STATUSES[operation["operationId"]]
    statuses = {503} | _EXTRA_STATUSES.get(operation["operationId"], set())
    if operation.get("security"):
        statuses |= _WITH_KEY
    if operation.get("parameters"):
        statuses |= {422}
    if "requestBody" in operation:
        statuses |= _WITH_BODY
    return statuses


def _add_response(responses: dict[str, Any], status: int, place: str) -> None:
    """Add a response unless the route declares one; FastAPI's own 422 is replaced, because its shape differs."""
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
