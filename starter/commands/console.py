"""`connector console`: serves the web console."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.app.event_loop import run_service
from connector.app.shutdown import stop_on_signals
from connector.rules.model.errors import ConnectorError
from starter.commands.options import DataOption
from starter.commands.session import start_command


class ConsoleNotInstalled(ConnectorError):
    """The extra `console` is not installed."""


def console(
    host: Annotated[str | None, typer.Option(help="The address to listen on (CONNECTOR_CONSOLE_HOST).")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="0: any free port (CONNECTOR_CONSOLE_PORT).")
    ] = None,
    data: DataOption = None,
) -> None:
    """Serve the web console until SIGTERM: look at campaigns, users and follow-ups, and decide.

    People sign in with an API key: `read` lets them look, `manage` publish, stop and steer. Beyond loopback it needs
    CONNECTOR_CONSOLE_PUBLIC_URL, the address under which people open it.

    Examples:

      connector keys create --name ana --scope read --scope manage && connector console

      CONNECTOR_CONSOLE_PUBLIC_URL=https://console.shop.example connector console --host 0.0.0.0
    """
    settings = start_command(data)
    try:
        from starter.console.server import serve_console  # NiceGUI is an extra, and half of the start
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith(("nicegui", "socketio", "websockets")):
            raise
        raise ConsoleNotInstalled(
            "the console needs NiceGUI; install it with `pip install 'campaign-connector[console]'`"
        ) from None
    address = (
        settings.console.host if host is None else host,
        settings.console.port if port is None else port,
    )

    async def work() -> None:
        await serve_console(settings, *address, stop_on_signals())

    run_service(work())
