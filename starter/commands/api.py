"""`connector api`: the HTTP API."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.app.shutdown import stop_on_signals
from starter.api.server import serve
from starter.commands.options import DataOption
from starter.commands.session import begin, run


def api(
    host: Annotated[str | None, typer.Option(help="The address to listen on (CONNECTOR_API_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one (CONNECTOR_API_PORT).")] = None,
    data: DataOption = None,
) -> None:
    """Serve the HTTP API until SIGTERM; its pages at /docs describe it.

    Whoever calls sends a key, as `Authorization: Bearer KEY`. Without any, made with `connector keys create` or set in
    CONNECTOR_API_KEYS, it does not listen.

    Examples:

      connector keys create --name shop --scope ingest && connector api --host 0.0.0.0

      CONNECTOR_API_KEYS='["a long random key"]' connector api
    """
    settings = begin(data)
    address = settings.api_host if host is None else host, settings.api_port if port is None else port

    async def work() -> None:
        await serve(settings, *address, stop_on_signals())

    run(work())
