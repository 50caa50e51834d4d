"""`connector backtest`: the results that a campaign would have had."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from connector.rules.model.errors import DefinitionError
from connector.rules.model.printable import escape_line
from starter.commands.calls import run_operation
from starter.commands.options import DataOption, JsonOption
from starter.commands.store_session import READ_SECONDS
from starter.operations.backtest import backtest_campaign
from starter.terminal import format_table, print_json, print_lines


def backtest(
    campaign: Annotated[str, typer.Argument(help="A follow-on; its newest revision is tested, draft or live.")],
    since: Annotated[str, typer.Option(help='The start, like 2026-03-02T00:00:00Z, or how long ago: "30 days".')],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a follow-on would have done if it had been live: triggered, cancelled, capped, sent.

    The result also shows how long after the trigger its exceptions come, so that you can choose the delay. Users count
    as they are known now, messages of other campaigns as they were really sent. Nothing is sent or changed.

    Examples:

      connector backtest cart-reminder --since "30 days"

      connector backtest cart-reminder --since 2026-03-02T00:00:00Z --json
    """
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Evaluating users", total=None)
        try:
            result = run_operation(
                data,
                backtest_campaign,
                campaign,
                since,
                seconds=READ_SECONDS,
                progress=lambda done, users: bar.update(task, completed=done, total=users),
            )
        except DefinitionError as error:
            raise typer.BadParameter("; ".join(f"--{fault.key} {fault.problem}" for fault in error.faults)) from None
    if as_json:
        print_json(result)
    else:
        print_lines(_in_text(result))


def _in_text(result: dict[str, Any]) -> str:
    counts = [
        ("triggered", "", result["triggered"]),
        *(("cancelled by", name, count) for name, count in result["excepted"].items()),
        *(("dropped", name, count) for name, count in result["dropped"].items()),
        ("control group", "", result["control"]),
        ("sent", "", result["sent"]),
        ("still waiting", "", result["waiting"]),
        *(("refused", name, count) for name, count in result["refused"].items()),
    ]
    rows = [(what, name, f"{count:,}") for what, name, count in counts if count or what in ("triggered", "sent")]
    users = result["users"]
    head = (
        f"if {result['campaign']} (revision {result['revision']}) had been live since {result['since']}, "
        f"for {users:,} {'user' if users == 1 else 'users'}:"
    )
    exceptions = _exceptions_in_text(result["seconds_until_exception"])
    return "\n\n".join([escape_line(head), format_table(("", "", "follow-ups"), rows), exceptions])


def _exceptions_in_text(waits: dict[str, float]) -> str:
    if not waits["count"]:
        return "no exception came after a trigger"
    shares = {name.removeprefix("p"): seconds for name, seconds in waits.items() if name != "count"}
    rows = [(f"{share} %", _format_wait(timedelta(seconds=seconds))) for share, seconds in shares.items()]
    head = f"time from the trigger to the exception, for the {waits['count']:,} triggers that an exception followed:"
    return f"{head}\n{format_table(('share', 'within'), rows)}"


def _format_wait(wait: timedelta) -> str:
    """Return a duration in its largest unit of which it has at least two, with three digits."""
    seconds = wait.total_seconds()
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
