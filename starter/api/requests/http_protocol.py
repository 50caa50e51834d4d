"""How the server reads HTTP: httptools, with the bound on a request's head that uvicorn has only for h11."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
"""Bytes of a request line with its headers, or of the trailers after a body in chunks."""


class BoundedHttpToolsProtocol(HttpToolsProtocol):
    """Answers 400 and closes a connection on which a request's head, or its trailers, does not end.

    httptools keeps the whole head in memory, so its size must have a bound (guarantee 9). The routes bound bodies.
    """

    _unread = 0
    """Bytes received since the last end of a head, part of a body or end of a request."""

    def data_received(self, data: bytes) -> None:
        """Parse the next bytes, and refuse the request if too many of them were neither a whole head nor a body."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")

    def on_headers_complete(self) -> None:
        """Begin the request."""
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass on a part of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._unread = 0
        super().on_message_complete()
