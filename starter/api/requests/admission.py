"""How much is taken on at a time: requests that are being answered, and bytes of their bodies in memory.

What is more is refused at once, without its body being read, so that a caller can try again and this process keeps its
size. What tells how this process is, and the links in messages, is never refused: it waits for nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from prometheus_client import Counter, Gauge
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.settings.api import ApiLimits
from starter.api.requests.body import MAX_BODY_BYTES
from starter.api.requests.errors import ApiError, unavailable
from starter.api.requests.unpacking import HOLD, declared_length

requests_in_flight = Gauge("connector_http_requests_in_flight", "Requests that are being answered.")
body_bytes_held = Gauge("connector_http_body_bytes", "Bytes of request bodies in memory.")
requests_refused = Counter(
    "connector_http_refused", "Requests that were refused because of the load, by what there was too much of.", ["why"]
)

_ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
_LINKS = ("/o/", "/c/", "/s/")
_WORDS = "more is asked of this server than it takes on at a time; nothing was taken in, try again later"
_LINGER_SECONDS = 5.0


@dataclass
class _Held:
    """The body of one request, as far as it is in memory. `declared` is its length in bytes as announced."""

    declared: int
    until: float
    bytes: int = 0
    whole: bool = False
    refused: bool = False


class Admission:
    """Lets requests in as long as there is room for them."""

    def __init__(self, app: ASGIApp, limits: ApiLimits) -> None:
        self._app, self._limits = app, limits
        self._requests = self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it."""
        if scope["type"] != "http" or _is_always_answered(scope):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        held = _Held(_length(headers), asyncio.get_running_loop().time() + self._limits.body_seconds)
        if too_much := self._too_much(held):
            requests_refused.labels(too_much).inc()
            held.whole, held.refused = "expect" in headers or not _has_body(headers), True
            answer = _overloaded(close=not held.whole).answer()
            return await answer(scope, receive, _lingering(held, receive, send))
        self._count(1, 0)
        scope[HOLD] = partial(self._hold, held)
        try:
            await self._app(scope, self._counted(held, receive), _lingering(held, receive, send))
        finally:
            self._count(-1, -held.bytes)

    def _too_much(self, held: _Held) -> str | None:
        if self._requests >= self._limits.max_requests:
            return "requests"
        return "memory" if self._bytes + held.declared > self._limits.max_body_memory else None

    def _counted(self, held: _Held, receive: Receive) -> Receive:
        """Receive a body within the time and the memory that there is for it."""

        async def receive_counted() -> Message:
            if held.whole:
                return await receive()
            try:
                async with asyncio.timeout_at(held.until):
                    message = await receive()
            except TimeoutError:
                requests_refused.labels("slow").inc()
                raise _too_slow(self._limits.body_seconds) from None
            held.whole = message["type"] != "http.request" or not message.get("more_body", False)
            self._hold(held, len(message.get("body", b"")))
            return message

        return receive_counted

    def _hold(self, held: _Held, more: int) -> None:
        if self._bytes + more > self._limits.max_body_memory:
            requests_refused.labels("memory").inc()
            self._count(0, -held.bytes)
            held.bytes, held.refused = 0, True
            raise _overloaded(close=True)
        held.bytes += more
        self._count(0, more)

    def _count(self, requests: int, size: int) -> None:
        self._requests += requests
        self._bytes += size
        requests_in_flight.inc(requests)
        body_bytes_held.inc(size)


def _is_always_answered(scope: Scope) -> bool:
    path: str = scope["path"]
    return path in _ALWAYS or (scope["method"] in ("GET", "HEAD") and path.startswith(_LINKS))


def _length(headers: Headers) -> int:
    """The length that a body is said to have, at most what is read of any; 0: not said, and counted as it comes."""
    return min(declared_length(headers) or 0, MAX_BODY_BYTES)


def _has_body(headers: Headers) -> bool:
    return bool(declared_length(headers)) or "transfer-encoding" in headers


def _overloaded(*, close: bool) -> ApiError:
    error = unavailable("overloaded", _WORDS)
    if close:
        error.headers = {**(error.headers or {}), "Connection": "close"}
    return error


def _too_slow(seconds: float) -> ApiError:
    message = f"the body did not arrive within {seconds:g} seconds; nothing was taken in"
    return ApiError(408, "too_slow", message, headers={"Connection": "close"})


def _lingering(held: _Held, receive: Receive, send: Send) -> Send:
    """Send an answer; after a refusal throw away for a moment what still comes, or its end could reset the answer."""

    async def send_and_linger(message: Message) -> None:
        if message["type"] == "http.response.body" and held.refused and not held.whole:
            await send({**message, "more_body": True})
            await _throw_away(receive)
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return send_and_linger


async def _throw_away(receive: Receive) -> None:
    left = MAX_BODY_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
