"""`connector codec-server`: decrypts payloads for Temporal's Web UI and the `temporal` program."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.app.event_loop import run_service
from connector.app.shutdown import stop_on_signals
from connector.settings.signing import check_origins
from starter.api.server import serve_codec
from starter.commands.options import DataOption
from starter.commands.session import start_command


def codec_server(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 8090,
    origin: Annotated[
        list[str] | None,
        typer.Option(help="The origin of a Web UI that may call; repeatable (CONNECTOR_CODEC_ORIGINS)."),
    ] = None,
    data: DataOption = None,
) -> None:
    """Serve Temporal's remote codec protocol until SIGTERM: it decrypts payloads for whoever has a key with `read`.

    The keys that it decrypts with are CONNECTOR_CODEC_KEYS. Open its address in a browser once and enter an API key as
    the user name; then set the address as the codec server in the Web UI, with cross-origin credentials.

    Examples:

      connector codec-server --origin http://127.0.0.1:8233

      temporal workflow show -w ID --codec-endpoint http://127.0.0.1:8090 --codec-auth "Bearer $KEY"
    """
    try:
        check_origins(origin or [])
    except ValueError as error:
        raise typer.BadParameter(f"--origin: {error}") from None
    settings = start_command(data)

    async def work() -> None:
        await serve_codec(settings, host, port, origin or settings.codec.origins, stop_on_signals())

    run_service(work())
