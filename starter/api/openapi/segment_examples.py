"""Segment's protocol in the OpenAPI document: schemas, an example of each call, and every response."""

from __future__ import annotations

from typing import Any

from starter.api.openapi.model_names import refer_to
from starter.api.openapi.responses import RETRY_AFTER

_ID = {"type": ["string", "number", "null"], "description": "A number is read as its text. At most 255 characters."}
_OBJECT = {"type": ["object", "null"]}
_WHO: dict[str, Any] = {
    "userId": _ID,
    "anonymousId": {"description": "Identifies the user if there is no `userId`."},
    "messageId": {
        "type": ["string", "number", "null"],
        "description": "The same at each attempt: a repeated message changes nothing.",
    },
    "timestamp": {
        "type": ["string", "null"],
        "description": "When it happened, such as 2026-03-02T12:00:00.000Z; default: the time of arrival.",
    },
    "context": _OBJECT,
    "integrations": {"description": "Ignored."},
}
_NAME = {"type": "string", "minLength": 1, "maxLength": 255}
_WORD = {"description": "A string; other values are ignored."}
_OWN: dict[str, dict[str, Any]] = {
    "track": {"event": _NAME, "properties": _OBJECT},
    "identify": {"traits": _OBJECT},
    "page": {"name": _WORD, "category": _WORD, "properties": _OBJECT},
    "screen": {"name": _WORD, "category": _WORD, "properties": _OBJECT},
    "group": {"groupId": {**_ID, "type": ["string", "number"]}, "traits": _OBJECT},
    "alias": {"previousId": {**_ID, "type": ["string", "number"]}},
}
_NEEDED = {"track": ["event"], "group": ["groupId"], "alias": ["previousId"]}
_AT = "2026-03-02T12:00:00.000Z"
_ANN = {"userId": "u-17", "messageId": "6d2a1f0e-0001"}
SEGMENT_CALLS: dict[str, dict[str, Any]] = {
    "track": {
        **_ANN,
        "event": "Order Completed",
        "properties": {
            "order_id": "o-9",
            "currency": "EUR",
            "products": [{"product_id": "shoe-1", "price": 90, "quantity": 1}],
        },
    },
    "identify": {**_ANN, "traits": {"email": "ann@example.com", "firstName": "Ann", "tier": "gold"}},
    "page": {**_ANN, "name": "Pricing", "properties": {"url": "https://shop.example/pricing"}},
    "screen": {**_ANN, "name": "Cart", "properties": {"items": 2}},
    "group": {**_ANN, "groupId": "g-1", "traits": {"plan": "team"}},
    "alias": {**_ANN, "previousId": "visitor-5"},
}
"""One call of each type; without a timestamp, so that it can be tried on any day."""

SEGMENT_BATCH = {"batch": [{"type": kind, **SEGMENT_CALLS[kind]} for kind in ("identify", "track")], "sentAt": _AT}


def message_body(kind: str) -> dict[str, Any]:
    """Return the `openapi_extra` of a route for single calls."""
    return _body(_message(kind), SEGMENT_CALLS[kind])


def batch_body() -> dict[str, Any]:
    """Return the `openapi_extra` of a route for batches."""
    messages = {
        "type": "array",
        "description": "At most 2,500, each as in a single call, with its `type`. Other items are rejected in the "
        "response.",
        "maxItems": 2500,
        "items": {},
    }
    context = {"description": "Defaults for the `context` of each message."}
    schema = {"type": "object", "required": ["batch"], "properties": {"batch": messages, "context": context}}
    return _body(schema, SEGMENT_BATCH)


def _message(kind: str) -> dict[str, Any]:
    who = [{"required": ["userId"]}, {"required": ["anonymousId"]}]
    properties = {**_WHO, **_OWN[kind]}
    return {"type": "object", "required": _NEEDED.get(kind, []), "anyOf": who, "properties": properties}


def _body(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    words = "JSON, or gzip with the matching `Content-Encoding`."
    return {"requestBody": {"description": words, "required": True, "content": content}}


def _error(words: str, code: str, message: str) -> dict[str, Any]:
    error = {"code": code, "message": message}
    schema = {
        "type": "object",
        "required": ["error", "code", "message"],
        "properties": {"error": refer_to("ErrorBody"), "code": {"type": "string"}, "message": {"type": "string"}},
    }
    content = {"application/json": {"schema": schema, "example": {"error": error, **error}}}
    return {"description": words, "content": content}


_SUCCESS = {
    "type": "object",
    "required": ["success"],
    "properties": {
        "success": {"const": True},
        "rejected": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["index", "messageId", "fault"],
                "properties": {
                    "index": {"type": "integer"},
                    "messageId": {"type": ["string", "null"]},
                    "fault": {"type": "string"},
                },
            },
        },
        "warnings": {
            "type": "array",
            "description": "What is wrong with accepted traits: sentences; of a batch, with the message's place.",
            "items": {"type": ["string", "object"]},
        },
    },
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Stored durably. Rejected messages of a batch are listed.",
        "content": {"application/json": {"schema": _SUCCESS, "example": {"success": True}}},
    },
    400: _error(
        "The request is invalid as a whole; repeating it does not help.", "invalid", "event: is missing or not text"
    ),
    401: _error("No key, or not a valid one.", "unauthorized", "the key is not valid"),
    403: _error("The key does not allow this.", "forbidden", "without a key, only programs on this machine may call"),
    408: _error("The body did not come in time.", "too_slow", "the body did not arrive within 30 seconds"),
    415: _error("Another encoding than gzip.", "unsupported_encoding", "send gzip, or none"),
    429: {
        **_error(
            "More requests than the key's rate.", "rate_limited", "too many requests with this key; wait a moment"
        ),
        "headers": RETRY_AFTER,
    },
    503: {
        **_error(
            "Not everything was stored; repeat the request.", "store_unavailable", "the database cannot be used now"
        ),
        "headers": RETRY_AFTER,
    },
}
"""Every status of these routes."""
