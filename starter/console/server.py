"""Serve the console over HTTP until shutdown."""

from __future__ import annotations

import asyncio

import structlog

from connector.app.context import open_context
from connector.app.http_server import serve_until, server_config
from connector.app.preflight import check_tables, listen
from connector.app.version import program_version
from connector.settings.application import Settings
from connector.store.engine.database import StoreUnavailable
from starter.api.access.scopes import keys_for
from starter.console.addresses import check_public
from starter.console.app import create_console

_MAX_MESSAGE_BYTES = 1024 * 1024
_PING_SECONDS = 20.0

_log = structlog.get_logger("console")


async def serve_console(settings: Settings, host: str, port: int, stopped: asyncio.Event) -> None:
    """Serve until `stopped` is set, then finish the requests in flight for at most 5 seconds.

    Raises:
        ConsoleNotPublic: this host needs a public URL. PortTaken: another process listens.
        WrongTables: the tables do not fit. StoreUnavailable: the database refuses these settings.
    """
    check_public(host, settings.console.public_url)
    async with open_context(settings) as context:
        try:
            await check_tables(context.database)
        except StoreUnavailable as error:
            if error.is_permanent:
                raise
            _log.warning("console_without_database", note="pages say so until it is back")
        with listen(host, port, option="--port") as socket:
            application = create_console(context, keys_for(settings, host, context.database))
            address, taken = socket.getsockname()[:2]
            _log.info("console_listens", host=address, port=taken, version=program_version())
            config = server_config(
                application.gate,
                settings.api_limits.max_connections,
                ws="websockets-sansio",
                ws_max_size=_MAX_MESSAGE_BYTES,
                ws_ping_interval=_PING_SECONDS,
                proxy_headers=bool(settings.api_trusted_proxies),
                forwarded_allow_ips=[str(network) for network in settings.api_trusted_proxies],
            )
            async with application.running():
                await serve_until(stopped, config, socket)
