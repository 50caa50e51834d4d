"""Serve the application over HTTP until shutdown."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from socket import socket as Socket

import structlog
import uvicorn
from fastapi import FastAPI

from connector.app.configuration import SettingsWrong, open_database
from connector.app.context import open_context
from connector.app.http_server import serve_until, server_config
from connector.app.preflight import check_tables, listen
from connector.app.tracing import tracing
from connector.app.version import program_version
from connector.settings.application import Settings
from connector.store.engine.database import Database, StoreUnavailable
from starter.api.access.scopes import Keys, keys_for
from starter.api.app import create_app
from starter.api.codec import create_codec_app

_log = structlog.get_logger("api")


async def serve(settings: Settings, host: str, port: int, stopped: asyncio.Event) -> None:
    """Serve until `stopped` is set, then finish the requests in flight for at most 5 seconds.

    Raises:
        KeysMissing: this host needs a key. PortTaken: another process listens. WrongTables: the tables do not fit.
        StoreUnavailable: the database refuses these settings.
    """
    with tracing(settings, "api"):
        await _serve_api(settings, host, port, stopped)


async def _serve_api(settings: Settings, host: str, port: int, stopped: asyncio.Event) -> None:
    async with open_context(settings) as context:
        keys = keys_for(settings, host, context.database)
        await _check_store(context.database, keys)
        with listen(host, port, option="--port") as socket:
            _log.info("api_listens", **_address(socket), version=program_version())
            await _serve_app(create_app(context, keys), settings, socket, stopped)


async def serve_codec(settings: Settings, host: str, port: int, origins: Sequence[str], stopped: asyncio.Event) -> None:
    """Serve the codec server until `stopped` is set. Every caller needs a key, also in development.

    Raises:
        SettingsWrong: there are no codec keys. KeysMissing, PortTaken, WrongTables: as for `serve`.
    """
    if not settings.codec.keys:
        raise SettingsWrong("CONNECTOR_CODEC_KEYS is not set, so no payload is encrypted")
    database = open_database(settings)
    try:
        keys = keys_for(settings.model_copy(update={"dev": False}), host, database)
        await _check_store(database, keys)
        with listen(host, port, option="--port") as socket:
            app = create_codec_app(settings, keys, origins)
            _log.info("codec_server_listens", **_address(socket))
            await _serve_app(app, settings, socket, stopped)
    finally:
        await database.close()


async def _serve_app(app: FastAPI, settings: Settings, socket: Socket, stopped: asyncio.Event) -> None:
    _freeze_imported_objects()
    await serve_until(stopped, uvicorn_config(app, settings), socket)


def _address(socket: Socket) -> dict[str, object]:
    host, port = socket.getsockname()[:2]
    return {"host": host, "port": port}


def _freeze_imported_objects() -> None:
    """Exclude everything imported so far from garbage collection, which would scan it again and again under load."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def uvicorn_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return the configuration of the API's server: only trusted proxies name the client."""
    return server_config(
        app,
        settings.api_limits.max_connections,
        proxy_headers=bool(settings.api_trusted_proxies),
        forwarded_allow_ips=[str(network) for network in settings.api_trusted_proxies],
    )


async def _check_store(database: Database, keys: Keys) -> None:
    """Check tables and keys. An outage that ends by itself is only a warning; wrong settings end the start."""
    try:
        await check_tables(database)
        await keys.check_any_exist()
    except StoreUnavailable as error:
        if error.is_permanent:
            raise
        _log.warning("api_without_database", note="requests get 503 until it is back")
