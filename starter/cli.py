"""`connector`: one program with a command for everything."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress

import typer

from connector.rules.errors import ConnectorError
from starter.commands.apply import apply
from starter.commands.demo import demo
from starter.commands.dev import dev
from starter.commands.interact import interact
from starter.commands.orders import archive, publish, resume, stop
from starter.commands.serve import api, worker
from starter.commands.setup import setup
from starter.commands.status import status
from starter.terminal import tell

app = typer.Typer(
    name="connector",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Follow-on campaigns that start when a user interacts with another campaign.",
    epilog="Begin with `connector demo`, or with `connector dev` and `connector apply examples`.",
)

_PANELS = {
    "Begin": (demo, dev),
    "Campaigns": (apply, publish, stop, resume, archive, status),
    "Users": (interact,),
    "Operation": (setup, worker, api),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)


def main() -> None:
    """The program's entry: run a command, and leave at once with its exit code."""
    code = run_command(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # whoever read it has gone
            stream.flush()
    os._exit(code)  # the SDK sometimes aborts in the interpreter's own end on CPython 3.11


def run_command(words: Sequence[str]) -> int:
    """Run one command: 0, 1 where it failed or was refused, 2 where the words were wrong."""
    try:
        app(list(words), prog_name="connector")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except ConnectorError as error:
        tell(str(error))
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
