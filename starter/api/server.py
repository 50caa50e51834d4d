"""Serve the application over HTTP until shutdown."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import structlog
import uvicorn
from fastapi import FastAPI

from connector.app.context import open_context
from connector.app.preflight import check_tables, listen
from connector.settings.application import ApiLimits, Settings
from connector.store.engine.database import Database, StoreUnavailable
from starter.api.access.scopes import Keys, keys_for
from starter.api.app import create_app

_log = structlog.get_logger("api")
_SHUTDOWN_SECONDS = 5


class _Server(uvicorn.Server):
    """A server that leaves signals to its caller: uvicorn would re-raise them and end the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no signal handlers."""
        yield


async def serve(settings: Settings, host: str, port: int, stopped: asyncio.Event) -> None:
    """Serve until `stopped` is set, then finish the requests in flight for at most 5 seconds.

    Raises:
        KeysMissing: this host needs a key. PortTaken: another process listens. NotSetUp: the tables are missing.
    """
    async with open_context(settings) as context:
        keys = keys_for(settings, host, context.database)
        await _check_store(context.database, keys)
        with listen(host, port, option="--port") as socket:
            _freeze_imported_objects()
            server = _Server(uvicorn_config(create_app(context, keys), settings))
            serving = asyncio.create_task(server.serve(sockets=[socket]))
            _log.info("api_listens", host=host, port=socket.getsockname()[1])
            stop = asyncio.create_task(stopped.wait())
            await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            stop.cancel()


def _freeze_imported_objects() -> None:
    """Exclude everything imported so far from garbage collection, which would scan it again and again under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def uvicorn_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return the uvicorn configuration: no access log, no server header; only trusted proxies name the client."""
    return uvicorn.Config(
        app,
        http=_http_protocol(settings.api_limits),
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.api_trusted_proxies],
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )


def _http_protocol(limits: ApiLimits) -> type[asyncio.Protocol] | Literal["h11"]:
    """Return httptools' protocol; h11's if httptools is not installed (Windows, PyPy)."""
    try:
        from starter.api.requests.http_protocol import BoundedHttpToolsProtocol
    except ImportError:
        return "h11"

    return type("Protocol", (BoundedHttpToolsProtocol,), {"max_connections": limits.max_connections})


async def _check_store(database: Database, keys: Keys) -> None:
    """Check tables and keys; an unreachable database is only a warning, because it comes back by itself."""
    try:
        await check_tables(database)
        await keys.check_any_exist()
    except StoreUnavailable:
        _log.warning("database_unreachable", note="requests get 503 until it is back")
