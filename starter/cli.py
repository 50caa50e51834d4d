"""`connector`: one program with a command for everything."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module

import typer

from connector.rules.model.errors import ConnectorError
from starter.terminal import print_note

_ORDERS = dict.fromkeys(("publish", "stop", "resume", "archive"), "orders")
_COMMANDS = {
    "Get started": {"demo": "demo", "dev": "dev"},
    "Campaigns": {"plan": "plan", "apply": "apply", **_ORDERS, "status": "status"},
    "Test campaigns": {"simulate": "simulate", "backtest": "backtest"},
    "Follow-ups": {"send-now": "follow_ups", "postpone": "follow_ups", "cancel": "follow_ups"},
    "Users": {"interact": "interact", "explain": "explain"},
    "Operations": {"setup": "setup", "keys": "keys", "worker": "worker", "api": "api", "reports": "reports"},
}
"""The commands by panel of the help, each with its module in `starter.commands`."""


def create_program(command: str | None = None) -> typer.Typer:
    """Return the program with one command, or with all of them if there is no such command.

    Only the modules of these commands are imported, which halves the time in which a command starts.
    """
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Begin with `connector demo`, or with `connector dev` and `connector apply examples`.",
    )
    app.callback()(_describe)
    commands = [(panel, name, module) for panel, names in _COMMANDS.items() for name, module in names.items()]
    for panel, name, module in [entry for entry in commands if entry[1] == command] or commands:
        function = getattr(import_module(f"starter.commands.{module}"), name.replace("-", "_"))
        if isinstance(function, typer.Typer):
            app.add_typer(function, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(function)
    return app


def _describe() -> None:
    """Follow-on campaigns that start when a user interacts with another campaign."""


def main() -> None:
    """Run a command and end the process with its exit code."""
    code = run_command(sys.argv[1:])
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader of a pipe has gone
            stream.flush()
    os._exit(code)  # the SDK sometimes aborts at interpreter exit on CPython 3.11


def run_command(arguments: Sequence[str]) -> int:
    """Run one command; return 0, 1 if it failed or was refused, 2 if the arguments were wrong."""
    try:
        create_program(next(iter(arguments), None))(list(arguments), prog_name="connector")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except ConnectorError as error:
        print_note(str(error))
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
