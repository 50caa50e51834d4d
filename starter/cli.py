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
    "Begin": {"demo": "demo", "dev": "dev"},
    "Campaigns": {"plan": "plan", "apply": "apply", **_ORDERS, "status": "status"},
    "Trying out": {"simulate": "simulate", "backtest": "backtest"},
    "Follow-ups": {"send-now": "follow_ups", "postpone": "follow_ups", "cancel": "follow_ups"},
    "Users": {"interact": "interact", "explain": "explain"},
    "Operation": {"setup": "setup", "keys": "keys", "worker": "worker", "api": "api", "reports": "reports"},
}
"""The commands by panel of the help, each with its module in `starter.commands`."""


def program(wanted: str | None = None) -> typer.Typer:
    """The program with one command or, where that is not one, with all of them.

    Only what is wanted is imported: a command begins in half the time.
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
    every = [(panel, name, module) for panel, names in _COMMANDS.items() for name, module in names.items()]
    for panel, name, module in [one for one in every if one[1] == wanted] or every:
        command = getattr(import_module(f"starter.commands.{module}"), name.replace("-", "_"))
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name, rich_help_panel=panel)
        else:
            app.command(name, rich_help_panel=panel)(command)
    return app


def _describe() -> None:
    """Follow-on campaigns that start when a user interacts with another campaign."""


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
        program(next(iter(words), None))(list(words), prog_name="connector")
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
