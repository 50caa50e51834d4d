"""`connector dev`: everything on one machine, from one command."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from connector.app.shutdown import stop_on_signals
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import begin, run
from starter.dev.dev_file import Running
from starter.dev.supervisor import DevPorts, run_dev
from starter.terminal import print_json, print_result

Port = typer.Option(min=0, max=65535, help="0: any free one.")


def dev(
    data: DataOption = None,
    api_port: Annotated[int, Port] = 8080,
    temporal_port: Annotated[int, Port] = 7233,
    ui_port: Annotated[int, Port] = 8233,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Without Temporal's Web UI.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run everything here until Ctrl-C: Temporal with its Web UI, a worker and the API, on one data folder.

    Messages of channels without a provider are shown instead of sent. Run again on the same folder, it goes on where
    it was; what waited in the meantime is judged as of now.

    Examples:

      connector dev

      connector dev --data /tmp/try --api-port 0 --temporal-port 0 --ui-port 0
    """
    settings = begin(data)
    ports = DevPorts(api=api_port, temporal=temporal_port, ui=None if no_ui else ui_port)

    def ready(running: Running) -> None:
        if as_json:
            print_json(running.model_dump())
        else:
            print_result(_banner(running, settings.data))

    async def work() -> None:
        await run_dev(settings, ports, stop_on_signals(), ready=ready)

    run(work())


def _banner(running: Running, data: Path) -> str:
    elsewhere = data != Path(".connector")
    lines = [
        "",
        "  Campaign Connector is ready.",
        "",
        f"  API            {running.api_url} (described at /docs)",
        f"  Temporal UI    {running.ui_url or 'off'}",
        f"  Temporal       {running.temporal_address}",
        f"  data           {data}",
        "",
        "  Next, in another terminal:",
        *([f"    export CONNECTOR_DATA={shlex.quote(str(data.resolve()))}"] if elsewhere else []),
        "    connector apply examples && connector publish --with-follow-ons abandoned-cart",
        f'    curl -X PUT {running.api_url}/v1/users/u-17 -d \'{{"push_tokens": ["phone-1"]}}\'',
        "    connector interact --user u-17 --type event --name cart_abandoned",
        "    connector status",
        "",
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
