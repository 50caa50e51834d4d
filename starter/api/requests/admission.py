"""Admission control: bounds on the requests in flight and on the bytes of their bodies in memory.

A request over a bound is refused at once, without reading its body, so that memory stays bounded and the caller can
repeat it. Probes, metrics and tracked links are exempt: they wait for nothing.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from prometheus_client import Counter, Gauge
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.settings.application import ApiLimits
from starter.api.requests.body import MAX_BODY_BYTES
from starter.api.requests.decompression import COUNT_BYTES, declared_length
from starter.api.requests.errors import ApiError, unavailable

requests_in_flight = Gauge("connector_http_requests_in_flight", "Requests in flight.")
body_bytes_held = Gauge("connector_http_body_bytes", "Bytes of request bodies in memory.")
requests_refused = Counter(
    "connector_http_refused", "Requests refused because of overload, by the bound that was exceeded.", ["why"]
)

_EXEMPT_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_EXEMPT_PREFIXES = ("/o/", "/c/", "/s/")
_OVERLOADED_MESSAGE = "the server is overloaded; nothing was stored, try again later"
_DRAIN_SECONDS = 5.0


@dataclass
class _Body:
    """The body of one request in memory. `declared` is the announced length in bytes, `until` the deadline."""

    declared: int
    until: float
    bytes: int = 0
    whole: bool = False
    refused: bool = False


class Admission:
    """Middleware that admits requests within the bounds and answers 503 beyond them."""

    def __init__(self, app: ASGIApp, limits: ApiLimits) -> None:
        self._app, self._limits = app, limits
        self._requests = self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or refuse it."""
        if scope["type"] != "http" or _is_exempt(scope):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        held = _Body(_length(headers), asyncio.get_running_loop().time() + self._limits.body_seconds)
        if too_much := self._too_much(held):
            requests_refused.labels(too_much).inc()
            held.whole, held.refused = "expect" in headers or not _has_body(headers), True
            answer = _overloaded(close=not held.whole).response()
            return await answer(scope, receive, _draining(held, receive, send))
        self._count(1, 0)
        scope[COUNT_BYTES] = partial(self._hold, held)
        try:
            await self._app(scope, self._counted(held, receive), _draining(held, receive, send))
        finally:
            self._count(-1, -held.bytes)

    def _too_much(self, held: _Body) -> str | None:
        if self._requests >= self._limits.max_requests:
            return "requests"
        return "memory" if self._bytes + held.declared > self._limits.max_body_memory else None

    def _counted(self, held: _Body, receive: Receive) -> Receive:
        """Wrap `receive`: count the bytes of the body, and enforce the deadline and the memory bound."""

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

    def _hold(self, held: _Body, more: int) -> None:
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


def _is_exempt(scope: Scope) -> bool:
    path: str = scope["path"]
    return path in _EXEMPT_PATHS or (scope["method"] in ("GET", "HEAD") and path.startswith(_EXEMPT_PREFIXES))


def _length(headers: Headers) -> int:
    """Return the announced length, at most the largest body; 0 if none is announced: bytes are counted on arrival."""
    return min(declared_length(headers) or 0, MAX_BODY_BYTES)


def _has_body(headers: Headers) -> bool:
    return bool(declared_length(headers)) or "transfer-encoding" in headers


def _overloaded(*, close: bool) -> ApiError:
    error = unavailable("overloaded", _OVERLOADED_MESSAGE)
    if close:
        error.headers = {**(error.headers or {}), "Connection": "close"}
    return error


def _too_slow(seconds: float) -> ApiError:
    message = f"the body did not arrive within {seconds:g} seconds; nothing was stored"
    return ApiError(408, "too_slow", message, headers={"Connection": "close"})


def _draining(held: _Body, receive: Receive, send: Send) -> Send:
    """Wrap `send`: after a refusal, read and discard the rest of the body briefly.

    Closing the connection with unread data could reset it before the caller has read the response.
    """

    async def send_and_linger(message: Message) -> None:
        if message["type"] == "http.response.body" and held.refused and not held.whole:
            await send({**message, "more_body": True})
            await _discard(receive)
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return send_and_linger


async def _discard(receive: Receive) -> None:
    left = MAX_BODY_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                left -= len(message.get("body", b""))
