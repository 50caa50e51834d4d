"""How the server reads HTTP: httptools, with the bounds on connections that uvicorn does not have.

httptools keeps a whole head in memory, and a connection costs a file descriptor, so size, time and number need bounds
(guarantee 9). The routes bound bodies.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from connector.settings.api_limits import DEFAULT_MAX_CONNECTIONS

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of a request line with its headers, or of the trailers after a body in chunks."""
HEAD_SECONDS = 10.0
"""How long a request's head may take, counted from the connection's begin or from the head's first byte."""
UNREAD_SECONDS, MAX_UNREAD_BYTES = 5.0, 16 * 1024 * 1024
"""The rest of a body that no route reads is discarded for so long, so that its sender reads the response first."""
_LAG_SECONDS = 0.1
WRITE_SECONDS = 30.0
"""How long a client may leave a response unread that fills the buffers."""


class BoundedHttpToolsProtocol(HttpToolsProtocol):
    """Closes connections whose heads do not end or whose clients do not read, and idle ones beyond a number."""

    max_connections = DEFAULT_MAX_CONNECTIONS
    _unread = 0
    """Bytes received since the last end of a head, part of a body or end of a request."""
    _discarded = 0
    """Bytes received of a body that no route reads."""
    _is_in_head = True
    _idle_since = 0.0
    _limit: asyncio.TimerHandle | None = None
    _write_limit: asyncio.TimerHandle | None = None
    _running: RequestResponseCycle | None = None
    """The request in progress; `cycle` is the newest one, which waits behind it if it was sent without waiting."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin a connection; if there are too many, close the one that has been idle longest, else this one."""
        super().connection_made(transport)
        self._idle_since = self.loop.time()
        self._limit_to(HEAD_SECONDS)
        if len(self.connections) > self.max_connections:
            self._close_idlest()

    def connection_lost(self, exc: Exception | None) -> None:
        """End a connection."""
        self._unlimit()
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes, and refuse the request if too many of them were neither a whole head nor a body."""
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._unread > MAX_HEAD_BYTES:
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")
        elif self._is_in_head and self._unread and self._limit is None:
            self._limit_to(HEAD_SECONDS)

    def on_url(self, url: bytes) -> None:
        """Refuse a fragment, which uvicorn would cut off: a request about `a#b` must not reach the user `a`."""
        if b"#" in url:
            raise ValueError("a request target has no fragment; percent-encode `#` as %23")
        super().on_url(url)

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._unread, self._discarded, self._is_in_head = 0, 0, False
        self._unlimit()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body, or discard it if the request is answered."""
        self._unread = 0
        if self.cycle.response_complete:
            self._discarded += len(body)
            if self._discarded > MAX_UNREAD_BYTES:
                self.transport.close()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._unread, self._is_in_head = 0, True
        self._unlimit()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """End the response; if the body has not ended yet, its rest is discarded for a while."""
        super().on_response_complete()
        self._idle_since = self.loop.time()
        if not self._is_in_head and not self.pipeline:
            self._limit_to(UNREAD_SECONDS)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        super().pause_writing()
        self._write_limit = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: the client has read."""
        super().resume_writing()
        if self._write_limit is not None:
            self._write_limit.cancel()
            self._write_limit = None

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def _limit_to(self, seconds: float) -> None:
        self._unlimit()
        self._limit = self.loop.call_later(seconds, self._reach_limit)

    def _reach_limit(self) -> None:
        """Close the connection, unless the bytes are there and the loop was only too busy to read them."""
        self._limit = self.loop.call_later(_LAG_SECONDS, self.transport.close)

    def _unlimit(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _close_idlest(self) -> None:
        """Close the idle connection that has been idle longest, of the client that has most of them."""
        idle = [one for one in self.connections if isinstance(one, BoundedHttpToolsProtocol) and one.is_idle]
        numbers = Counter(one.client_address for one in idle)
        idlest = min(idle, key=lambda one: (-numbers[one.client_address], one._idle_since))
        self.connections.discard(idlest)  # at once: several may come before it is closed
        if idlest.flow.write_paused:
            idlest.transport.abort()  # closing would wait until the client has read
        else:
            idlest.transport.close()

    @property
    def is_idle(self) -> bool:
        """Whether no request is in progress, as on a connection that has just begun, or the client does not read."""
        return self.cycle is None or self.cycle.response_complete or self.flow.write_paused

    @property
    def client_address(self) -> str | None:
        """The address at the other end."""
        return self.client[0] if self.client else None
