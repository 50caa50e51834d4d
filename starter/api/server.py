"""Serving the application over HTTP until told to stop."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn
from fastapi import FastAPI

from connector.app.context import open_context
from connector.app.preflight import check_tables
from connector.settings.application import Settings
from connector.store.engine.database import Database, StoreUnavailable
from starter.api.access.scopes import Keys, keys_for
from starter.api.app import create_app
from starter.dev.ports import listen

_log = structlog.get_logger("api")
_GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    """Ends when we say so: uvicorn's own signal handling would end the process by the signal."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield


async def serve(settings: Settings, host: str, port: int, stopped: asyncio.Event) -> None:
    """Serve until `stopped`, then answer what has been asked already, for a few seconds at most.

    Raises:
        KeysMissing: this host needs a key. PortTaken: somebody else listens. NotSetUp: the tables are missing.
    """
    async with open_context(settings) as context:
        keys = keys_for(settings, host, context.database)
        await _check_store(context.database, keys)
        with listen(host, port, option="--port") as socket:
            _leave_what_stays_alone()
            server = _Server(config_for(create_app(context, keys)))
            serving = asyncio.create_task(server.serve(sockets=[socket]))
            _log.info("api_listens", host=host, port=socket.getsockname()[1])
            stop = asyncio.create_task(stopped.wait())
            await asyncio.wait((serving, stop), return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            stop.cancel()


def _leave_what_stays_alone() -> None:
    """Keep the garbage collector from walking through all that was imported, again and again, under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def config_for(app: FastAPI) -> uvicorn.Config:
    """How uvicorn serves the application: quiet, and telling nothing of itself."""
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )


async def _check_store(database: Database, keys: Keys) -> None:
    """A database that is away comes back, and until then nobody gets in; one without tables or keys needs somebody."""
    try:
        await check_tables(database)
        await keys.require_any()
    except StoreUnavailable:
        _log.warning("database_unreachable", note="requests are answered with 503 until it is back")
