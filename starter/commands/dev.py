"""`connector dev`: runs everything on one machine."""

from __future__ import annotations

import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from connector.app.shutdown import stop_on_signals
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import start_command
from starter.commands.store_session import run
from starter.dev.instance import DevInstance
from starter.dev.supervisor import DevPorts, run_dev
from starter.terminal import print_json, print_lines

PortOption = typer.Option(min=0, max=65535, help="0: any free port.")


def dev(
    data: DataOption = None,
    api_port: Annotated[int, PortOption] = 8080,
    temporal_port: Annotated[int, PortOption] = 7233,
    ui_port: Annotated[int, PortOption] = 8233,
    console_port: Annotated[int, PortOption] = 8090,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Do not start Temporal's Web UI.")] = False,
    no_console: Annotated[bool, typer.Option("--no-console", help="Do not start the web console.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run Temporal with its Web UI, a worker, the API and the console on this machine until Ctrl-C.

    Messages of channels without a provider are printed instead of sent. A later run on the same data folder continues
    where this one stopped; follow-ups that became due in between are evaluated then.

    Examples:

      connector dev

      connector dev --data /tmp/try --api-port 0 --temporal-port 0 --ui-port 0 --console-port 0
    """
    settings = start_command(data)
    has_console = not no_console and find_spec("nicegui") is not None
    ports = DevPorts(
        api=api_port,
        temporal=temporal_port,
        ui=None if no_ui else ui_port,
        console=console_port if has_console else None,
    )

    def report_ready(instance: DevInstance) -> None:
        if as_json:
            print_json(instance.model_dump())
        else:
            print_lines(_banner(instance, settings.data))

    async def work() -> None:
        await run_dev(settings, ports, stop_on_signals(), on_ready=report_ready)

    run(work())


def _banner(instance: DevInstance, data: Path) -> str:
    is_default_folder = data == Path(".connector")
    lines = [
        "",
        "  Campaign Connector is ready.",
        "",
        f"  Console        {instance.console_url or 'off'}",
        f"  API            {instance.api_url} (described at /docs)",
        f"  Temporal UI    {instance.ui_url or 'off'}",
        f"  Temporal       {instance.temporal_address}",
        f"  data           {data}",
        "",
        "  Next, in another terminal:",
        *([] if is_default_folder else [f"    export CONNECTOR_DATA={shlex.quote(str(data.resolve()))}"]),
        "    connector apply examples && connector publish --with-follow-ons abandoned-cart",
        f'    curl -X PUT {instance.api_url}/v1/users/u-17 -d \'{{"push_tokens": ["phone-1"]}}\'',
        "    connector interact --user u-17 --type event --name cart_abandoned",
        "    connector status",
        "",
        "  Ctrl-C stops everything.",
        "",
    ]
    return "\n".join(lines)
