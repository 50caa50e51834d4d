"""`connector api`: serves the HTTP API."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.app.event_loop import run_service
from connector.app.shutdown import stop_on_signals
from starter.commands.options import DataOption
from starter.commands.session import start_command


def api(
    host: Annotated[str | None, typer.Option(help="The address to listen on (CONNECTOR_API_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free port (CONNECTOR_API_PORT).")] = None,
    data: DataOption = None,
) -> None:
    """Serve the HTTP API until SIGTERM; its page /docs describes it.

    Callers send a key as `Authorization: Bearer KEY`. Create keys with `connector keys create`, or set
    CONNECTOR_API_KEYS; without any key the API does not start.

    Examples:

      connector keys create --name shop --scope ingest && connector api --host 0.0.0.0

      CONNECTOR_API_KEYS_FILE=/run/secrets/keys.json connector api
    """
    settings = start_command(data)
    from starter.api.server import serve  # half of the start, so wrong settings are reported before

    address = settings.api_host if host is None else host, settings.api_port if port is None else port

    async def work() -> None:
        await serve(settings, *address, stop_on_signals())

    run_service(work())
