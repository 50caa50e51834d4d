"""Requests that are in flight when an API ends."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.types import Message, Receive, Scope, Send

from starter.api.requests.middleware import RequestMiddleware

SCOPE: dict[str, Any] = {
    "type": "http",
    "method": "POST",
    "path": "/v1/interactions",
    "headers": [],
    "query_string": b"",
}


async def test_a_request_that_is_cut_off_is_to_be_repeated() -> None:
    """At the end of its patience the server cancels what still runs: the caller gets 503 with Retry-After, not 500."""
    begun, sent = asyncio.Event(), list[Message]()

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    request = asyncio.create_task(RequestMiddleware(app)(SCOPE, receive, send))
    await begun.wait()
    request.cancel()
    await request
    start, *rest = sent
    assert start["status"] == 503
    assert dict(start["headers"])[b"retry-after"].isdigit()
    assert json.loads(b"".join(part["body"] for part in rest))["error"]["code"] == "shutting_down"
