"""`connector worker` and `connector api`: the two kinds of process that a production set-up runs."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.logs import configure_logs
from connector.settings import Settings
from connector.temporal import connect
from starter.api.server import serve
from starter.commands.session import DataOption, run
from starter.configuration import read_settings
from starter.dev_file import find_temporal
from starter.until_told import stop_on_signals, unless_stopped
from worker import run_worker


def worker(data: DataOption = None) -> None:
    """Run a worker until SIGTERM: workflows, sends, and the outbox. Run as many as you like.

    It waits for Temporal where that is not there yet, and lets sends that have begun end before it stops.

    Example:

      TEMPORAL_ADDRESS=temporal:7233 connector worker
    """
    settings = _begin(data)

    async def work() -> None:
        stopped = stop_on_signals()
        client = await unless_stopped(connect(attempts=None), stopped)
        if client is not None:
            await run_worker(settings, stopped, client=client)

    run(work())


def api(
    host: Annotated[str | None, typer.Option(help="The address to listen on (CONNECTOR_API_HOST).")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one (CONNECTOR_API_PORT).")] = None,
    data: DataOption = None,
) -> None:
    """Serve the HTTP API until SIGTERM; its pages at /docs describe it.

    It needs at least one key, and asks for it as `Authorization: Bearer KEY`.

    Example:

      CONNECTOR_API_KEYS='["a long random key"]' connector api --host 0.0.0.0
    """
    settings = _begin(data)
    address = settings.api_host if host is None else host, settings.api_port if port is None else port

    async def work() -> None:
        await serve(settings, *address, stop_on_signals())

    run(work())


def _begin(data: DataOption) -> Settings:
    settings = read_settings(data)
    configure_logs(settings.log_format)
    find_temporal(settings.data)
    return settings
