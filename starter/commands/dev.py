"""`connector dev`: runs everything on one machine."""

from __future__ import annotations

import shlex
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
    no_ui: Annotated[bool, typer.Option("--no-ui", help="Do not start Temporal's Web UI.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run Temporal with its Web UI, a worker and the API on this machine, with one data folder, until Ctrl-C.

    Messages of channels without a provider are printed instead of sent. A later run on the same folder continues
    where this one stopped; follow-ups that became due in between are evaluated then.

    Examples:

      connector dev

      connector dev --data /tmp/try --api-port 0 --temporal-port 0 --ui-port 0
    """
    settings = start_command(data)
    ports = DevPorts(api=api_port, temporal=temporal_port, ui=None if no_ui else ui_port)

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
