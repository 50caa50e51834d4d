"""Admission: who is known gets a place for the request, then its body is read.

The one order of every request is: identify the caller (`starter.api.access`, or a webhook's headers), `admit`, read the
body. A request without a place that reads its body is a defect; `connector.app.http_protocol` discards unread bodies.
Probes and the links of messages need no place: they wait for nothing.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial

from fastapi import Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from connector.settings.api_limits import ApiLimits
from starter.api.requests.body import MAX_BODY_BYTES
from starter.api.requests.clients import client_of
from starter.api.requests.decompression import COUNT_BYTES, declared_length
from starter.api.requests.errors import ApiError, unavailable
from starter.api.requests.metrics import body_bytes_held, requests_in_flight, requests_refused
from starter.api.requests.pools import Place, Pool, PoolFull, PoolName

_ENTRANCE = "connector.entrance"
_OVERLOADED_MESSAGE = "the server is overloaded; nothing was stored, try again later"
_METRICS_AT_A_TIME = 4
_EARLY_SECONDS, _EARLY_BYTES = 0.25, 64 * 1024
"""What is read of a body before its request takes a place. A small body that has arrived by then needs none of the
places for which slow bodies compete; of any other it is known how fast it comes."""


def open_pools(limits: ApiLimits) -> dict[PoolName, Pool]:
    """Return the pools: those of others than servers have half the places, and half the memory or that of one body."""
    apart, memory = max(1, limits.max_requests // 2), max(limits.max_body_memory // 2, MAX_BODY_BYTES)
    return {
        PoolName.KEYED: Pool(limits.max_requests, limits.max_body_memory),
        PoolName.CLIENTS: Pool(apart, memory),
        PoolName.WEBHOOKS: Pool(apart, memory),
        PoolName.LINKS: Pool(apart, 0),
        PoolName.METRICS: Pool(_METRICS_AT_A_TIME, 0),
    }


class Admission:
    """Middleware that lets routes `admit` requests, and frees their places when they end."""

    def __init__(self, app: ASGIApp, limits: ApiLimits) -> None:
        self._app, self._limits, self._pools = app, limits, open_pools(limits)
        for name, pool in self._pools.items():
            requests_in_flight.labels(name).set_function(pool.__len__)
            body_bytes_held.labels(name).set_function(partial(getattr, pool, "bytes"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        entrance = _Entrance(scope, receive, self._pools, self._limits.body_timeout.total_seconds())
        scope[_ENTRANCE], scope[COUNT_BYTES] = entrance, entrance.hold
        try:
            await self._app(scope, entrance.receive, send)
        finally:
            entrance.leave()


async def admit(request: Request, pool: PoolName) -> None:
    """Give a request of a known caller its place; repeated calls for one request count once.

    Raises:
        ApiError: 503, the pool is full.
    """
    entrance: _Entrance = request.scope[_ENTRANCE]
    await entrance.enter(pool)


class _Entrance:
    """The way of one request to its place, and of its body into memory."""

    def __init__(self, scope: Scope, receive: Receive, pools: Mapping[PoolName, Pool], body_seconds: float) -> None:
        self._scope, self._receive, self._pools, self._body_seconds = scope, receive, pools, body_seconds
        self._clock: Callable[[], float] = asyncio.get_running_loop().time
        self._name, self._pool = PoolName.KEYED, pools[PoolName.KEYED]
        self._place: Place | None = None
        self._early: deque[Message] = deque()
        self._waiting: asyncio.Timeout | None = None

    async def enter(self, name: PoolName) -> None:
        """Take a place. Raises ApiError (503)."""
        if self._place is not None:
            return
        self._name, self._pool = name, self._pools[name]
        headers = Headers(scope=self._scope)
        announced = declared_length(headers) or 0
        began = self._clock()
        place = Place(client_of(self._scope), began, began + self._body_seconds, self._stop_waiting)
        if announced or "transfer-encoding" in headers:
            await self._read_early(place)
        else:
            place.is_whole = True
        with self._refusing():
            self._pool.enter(place, min(announced, self._pool.max_bytes), self._clock())
        self._place = place

    def leave(self) -> None:
        """Free the place, if there is one."""
        if self._place is not None:
            self._pool.leave(self._place)

    def hold(self, size: int) -> None:
        """Count bytes of the body in memory. Raises ApiError (503)."""
        place = self._admitted()
        with self._refusing():
            if place.is_withdrawn:
                raise PoolFull("slow")
            self._pool.hold(place, size, self._clock())

    async def receive(self) -> Message:
        """Return the next part of the body. Raises ApiError: 408 if it is too slow, 503 if its place is taken away."""
        place = self._admitted()
        if self._early:
            message = self._early.popleft()
        elif place.is_whole:
            return await self._receive()
        else:
            message = await self._receive_in_time(place)
            place.received += _size(message)
        self.hold(_size(message))
        if _is_last(message) and not place.is_whole:
            with self._refusing():
                self._pool.finish(place)
        return message

    async def _read_early(self, place: Place) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_EARLY_SECONDS):
                while not place.is_whole and place.received < _EARLY_BYTES:
                    self._early.append(await self._receive())
                    place.received += _size(self._early[-1])
                    place.is_whole = _is_last(self._early[-1])

    async def _receive_in_time(self, place: Place) -> Message:
        try:
            async with asyncio.timeout_at(place.next_deadline(self._clock())) as self._waiting:
                return await self._receive()
        except TimeoutError:
            with self._refusing():
                if place.is_withdrawn:
                    raise PoolFull("slow") from None
            requests_refused.labels(self._name, "slow").inc()
            raise _too_slow() from None
        finally:
            self._waiting = None

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.reschedule(self._clock())

    def _admitted(self) -> Place:
        if self._place is None:
            raise RuntimeError("a route reads the body of a request that it has not admitted")
        return self._place

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Convert PoolFull to ApiError (503), and count it."""
        try:
            yield
        except PoolFull as full:
            requests_refused.labels(self._name, full.bound).inc()
            raise unavailable("overloaded", _OVERLOADED_MESSAGE) from None


def _size(message: Message) -> int:
    return len(message.get("body", b""))


def _is_last(message: Message) -> bool:
    return message["type"] != "http.request" or not message.get("more_body", False)


def _too_slow() -> ApiError:
    return ApiError(408, "too_slow", "the body arrived too slowly; nothing was stored", headers={"Connection": "close"})
