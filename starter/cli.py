"""`connector`: one program with a command for everything."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException
from typer.main import get_group

from connector.rules.model.errors import ConnectorError
from connector.rules.model.printable import escape_line
from starter.commands.places import URL_VARIABLE, check_place, is_remote
from starter.terminal import log_notes, print_defect, print_error, print_note, print_result

COMMANDS = {
    "Get started": {
        "demo": "Start everything in a temporary folder, play three use cases with short delays, and show the "
        "outcomes.",
        "init": "Write commented example files: campaigns, the workspace, a timeline, and the JSON Schema for editors.",
        "dev": "Run Temporal with its Web UI, a worker, the API and the console on this machine until Ctrl-C.",
    },
    "Campaigns": {
        "validate": "Check YAML files, with no database and no server.",
        "schema": "Print the JSON Schema of YAML files, by which editors complete and check them.",
        "plan": "Show what `apply` and `publish` of these files would do. Nothing is changed.",
        "apply": "Save campaigns, cards and the workspace from YAML as drafts.",
        "publish": "Make the newest saved revisions live, follow-ons before their targets; all of them or none.",
        "stop": "Stop campaigns and cards: waiting and held follow-ups end as `dropped: stopped`, and no new ones "
        "start.",
        "resume": "Make stopped campaigns and cards live again, unchanged; interactions while they were stopped do "
        "not count.",
        "archive": "Stop campaigns and cards for good; they cannot be edited or published any more.",
        "campaigns": "List campaigns and cards with their revisions, or print the newest definition of one as YAML.",
        "workspace": "Print the settings that hold for all campaigns: zone, frequency caps, quiet hours.",
        "status": "Show what is live since when, and how many follow-ups wait, were sent, or were not sent and why.",
    },
    "Pictures": {
        "graph": "Draw campaigns and what they listen to: solid arrows for triggers, dashed ones for exceptions.",
        "report": "Write the results of a campaign as one HTML file to mail around: funnel, uplift, variants, reasons, "
        "days.",
    },
    "Test campaigns": {
        "preview": "Show what a campaign sends to a user, exactly as it is sent, and what the rules decide about it "
        "now.",
        "simulate": "Play a timeline by the rules of production, without a server and without sending.",
        "backtest": "Show what a follow-on would have done if it had been live: triggered, cancelled, capped, sent.",
    },
    "Follow-ups": {
        "follow-ups": "List follow-ups, newest trigger first; with overdue, the longest overdue first.",
        "send-now": "Evaluate and send follow-ups now, not at their due time: one, or all that match.",
        "postpone": "Move the time that follow-ups wait for, even if they are held: of one, or of all that match.",
        "cancel": "End follow-ups, as `dropped: cancelled_by_operator`, or as `sent` if a channel went out already.",
        "resolve": "Settle messages whose result is unknown (`send_unknown`): of one follow-up, or of all that match.",
        "resend": "Send messages again that failed (`send_failed`): of one follow-up, or of all that match.",
    },
    "Users": {
        "interact": "Report interactions and events. An invalid item does not affect the others.",
        "users": "Find users, show or erase them, or split off an id that was joined into a user.",
        "explain": "Show every decision about a user in order: the interaction, the evidence, the outcome and its "
        "reason.",
    },
    "Operations": {
        "setup": "Bring the database to this version's tables, and register the search attributes in Temporal.",
        "settings": "Show every setting that holds here, and whether it comes from the environment, a file, an option "
        "or a default.",
        "doctor": "Check the installation: database, tables, Temporal, workers, providers; exit code 1 if a check "
        "fails.",
        "worker": "Run a worker until SIGTERM: workflows, sends and the outbox. Any number of workers can run.",
        "api": "Serve the HTTP API until SIGTERM; its page /docs describes it.",
        "console": "Serve the web console until SIGTERM: look at campaigns, users and follow-ups, and decide.",
        "codec-server": "Serve Temporal's remote codec protocol until SIGTERM: it decrypts payloads for whoever has a "
        "key with `read`.",
        "reports": "List events from providers that match no campaign and user, with the reason; recipients are not "
        "shown.",
        "cleanup": "Delete what is past its use, as a worker does every day: old interactions, decisions and ended "
        "follow-ups.",
        "audit": "List who did what, from where, when and why, newest first: orders, drafts, keys, joins, erasures.",
        "keys": "Create, list, rotate and revoke keys for the HTTP API.",
    },
}
"""The summaries of the commands by panel of the help, so that the help imports no command. A test compares them with
the first lines of the commands' own help."""

SERVICES = frozenset({"worker", "api", "codec-server", "console", "dev"})
"""The commands that run until they are stopped."""

_SHARED_MODULES = {
    **dict.fromkeys(("publish", "stop", "resume", "archive"), "orders"),
    **dict.fromkeys(("send-now", "postpone", "cancel"), "follow_ups"),
    **dict.fromkeys(("resolve", "resend"), "repair"),
    "follow-ups": "follow_up_list",
}
"""The modules in `starter.commands` with several commands; other modules are named like their command."""


class CommandGroup(TyperGroup):
    """Lists all commands by their summaries; imports the module of a command only when that command is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for panel, summaries in COMMANDS.items():
            for name, summary in summaries.items():
                self.add_command(
                    TyperCommand(name, help=summary, rich_help_panel=panel, rich_markup_mode=self.rich_markup_mode)
                )

    def make_context(self, *args: Any, **settings: Any) -> Any:
        """Parse the program's own options."""
        with _escaped_usage():
            return super().make_context(*args, **settings)

    def invoke(self, ctx: Any) -> Any:
        """Parse a command's arguments and run it."""
        with _escaped_usage():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the name of the command, the command from its module, and its arguments."""
        name, _, rest = super().resolve_command(ctx, args)
        if name is not None:
            check_place(name, rest)
        return name, None if name is None else load_command(name), rest


@contextmanager
def _escaped_usage() -> Iterator[None]:
    """Escape the message of a usage error, which quotes arguments; typer escapes only control characters."""
    try:
        yield
    except TyperException as error:
        if isinstance(message := vars(error).get("message"), str):
            vars(error)["message"] = escape_line(message)
        raise


def load_command(name: str) -> Any:
    """Import the module of a command and return the command with its options and its whole help."""
    function = getattr(_import_command(name), name.replace("-", "_"))
    program = _create_typer()
    if isinstance(function, typer.Typer):
        program.add_typer(function, name=name)
    else:
        program.command(name)(function)
    return get_group(program).commands[name]


def _import_command(name: str) -> ModuleType:
    """Import a command's module without garbage collections, which find nothing and take a sixth of `status`'s time.

    Modules live until the process ends, so that later collections can leave them out (`gc.freeze`).
    """
    gc.disable()
    try:
        return import_module(f"starter.commands.{_SHARED_MODULES.get(name, name.replace('-', '_'))}")
    finally:
        gc.freeze()
        gc.enable()


def _create_typer(cls: type[TyperGroup] = TyperGroup) -> typer.Typer:
    program = typer.Typer(
        cls=cls,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Begin with `connector demo`; or with `connector dev`, `connector init`, `connector apply campaigns`.",
    )
    program.callback()(_describe)
    return program


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        from connector.app.version import program_version  # few commands need it

        print_result(f"connector {program_version()}")
        raise typer.Exit


def _describe(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version of the program.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
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
    is_json = _log_as_json(arguments)
    try:
        ended = _create_typer(CommandGroup)(list(arguments), prog_name="connector", standalone_mode=not is_json)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except TyperException as error:  # only with logs in JSON: else typer prints it
        print_error(_UsageWrong(error.format_message()))
        return error.exit_code
    except ConnectorError as error:
        print_error(error)
        return 1
    except Exception:
        print_defect()
        if is_remote():
            print_note(f"this also happens if {URL_VARIABLE} names an API of another version, or another program")
        return 1
    return ended if isinstance(ended, int) else 0


class _UsageWrong(ConnectorError):
    """The arguments of a command are wrong."""


def _log_as_json(arguments: Sequence[str]) -> bool:
    """Configure logs in JSON if this command has them, before the settings are read, and return whether it has.

    CONNECTOR_LOG_FORMAT=json is for every command; without it, the services log JSON if standard error is no terminal.
    """
    chosen = os.environ.get("CONNECTOR_LOG_FORMAT", "auto")
    is_service = bool(arguments) and arguments[0] in SERVICES
    if chosen != "json" and not (chosen == "auto" and is_service and not sys.stderr.isatty()):
        return False
    from connector.app.logs import configure_logs  # this import takes a tenth of a short command's time

    configure_logs("json", level="INFO" if is_service else "ERROR")
    log_notes()
    return True


if __name__ == "__main__":
    main()
