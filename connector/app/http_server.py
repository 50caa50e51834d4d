"""An HTTP server inside a process that has its own signals and shutdown: of the API, and of the worker's port."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from socket import socket as Socket
from typing import Any, Literal

import uvicorn

_SHUTDOWN_SECONDS = 5
"""How long requests in flight may take to end."""


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller: uvicorn would re-raise them and end the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


async def serve_until(stopped: asyncio.Event, config: uvicorn.Config, socket: Socket) -> None:
    """Serve until `stopped` is set, then finish the requests in flight for at most 5 seconds."""
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[socket]))
    stop = asyncio.create_task(stopped.wait())
    await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    stop.cancel()


def server_config(
    app: Any, max_connections: int, *, ws: Literal["none", "websockets-sansio"] = "none", **more: Any
) -> uvicorn.Config:
    """Return uvicorn's configuration: bounds on connections, the logs of the process, no access log or server header.

    Args:
        app: the ASGI application.
        ws: the implementation of websockets; only the console has any.
        more: further arguments of `uvicorn.Config`.
    """
    return uvicorn.Config(
        app,
        http=_bounded_protocol(max_connections),
        ws=ws,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
        **more,
    )


def _bounded_protocol(max_connections: int) -> type[asyncio.Protocol] | Literal["h11"]:
    """Return httptools' protocol with bounds; h11's if httptools is not installed (Windows, PyPy)."""
    try:
        from connector.app.http_protocol import BoundedHttpToolsProtocol
    except ImportError:
        return "h11"

    return type("Protocol", (BoundedHttpToolsProtocol,), {"max_connections": max_connections})
