"""`connector backtest`: the results that a campaign would have had."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from connector.rules.model.values import format_instant, parse_duration
from connector.simulation.tally import quantiles
from connector.store.engine.database import database_now
from starter.commands.options import DataOption, JsonOption, parse_time_option
from starter.commands.store_session import READ_SECONDS, open_store, run
from starter.operations.backtest import BacktestResult
from starter.operations.backtest import backtest as backtest_campaign
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
    result = run(_backtest(data, campaign, since))
    if as_json:
        print_json(_in_json(result))
    else:
        print_lines(_in_text(result))


async def _backtest(data: Path | None, campaign: str, since: str) -> BacktestResult:
    async with open_store(data) as context:
        catalogue = await context.cache.at_least(context.database)
        async with context.database.read(context.workspace, seconds=READ_SECONDS) as tx:
            now = await database_now(tx)
            start = _parse_since(since, now)
            console = Console(stderr=True)
            with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
                task = bar.add_task("Evaluating users", total=None)
                return await backtest_campaign(
                    tx,
                    catalogue,
                    campaign,
                    since=start,
                    until=now,
                    progress=lambda done, users: bar.update(task, completed=done, total=users),
                )


def _parse_since(since: str, now: datetime) -> datetime:
    try:
        start = now - parse_duration(since)
    except ValueError:
        start = parse_time_option("--since", since, alternative=', or how long ago, like "30 days"')
    if start >= now:
        raise typer.BadParameter(f"--since {since!r} is not in the past")
    return start


def _in_json(result: BacktestResult) -> dict[str, Any]:
    tally = result.tally
    waits = {f"p{share}": wait.total_seconds() for share, wait in quantiles(tally.until_exception).items()}
    return {
        "campaign": result.campaign,
        "revision": result.revision,
        "since": format_instant(result.since),
        "until": format_instant(result.until),
        "users": tally.users,
        "triggered": tally.triggered,
        "sent": tally.sent,
        "excepted": dict(tally.excepted.most_common()),
        "dropped": dict(tally.dropped.most_common()),
        "control": tally.control,
        "waiting": tally.waiting,
        "refused": dict(tally.refused.most_common()),
        "seconds_until_exception": {"count": len(tally.until_exception), **waits},
    }


def _in_text(result: BacktestResult) -> str:
    tally = result.tally
    counts = [
        ("triggered", "", tally.triggered),
        *(("cancelled by", name, count) for name, count in tally.excepted.most_common()),
        *(("dropped", name, count) for name, count in tally.dropped.most_common()),
        ("control group", "", tally.control),
        ("sent", "", tally.sent),
        ("still waiting", "", tally.waiting),
        *(("refused", name, count) for name, count in tally.refused.most_common()),
    ]
    rows = [(what, name, f"{count:,}") for what, name, count in counts if count or what in ("triggered", "sent")]
    head = (
        f"if {result.campaign} (revision {result.revision}) had been live since {format_instant(result.since)}, "
        f"for {tally.users:,} {'user' if tally.users == 1 else 'users'}:"
    )
    return "\n\n".join([head, format_table(("", "", "follow-ups"), rows), _exceptions_in_text(tally.until_exception)])


def _exceptions_in_text(waits: list[timedelta]) -> str:
    if not waits:
        return "no exception came after a trigger"
    rows = [(f"{share} %", _format_wait(wait)) for share, wait in quantiles(waits).items()]
    head = f"time from the trigger to the exception, for the {len(waits):,} triggers that an exception followed:"
    return f"{head}\n{format_table(('share', 'within'), rows)}"


def _format_wait(wait: timedelta) -> str:
    """Return a duration in its largest unit of which it has at least two, with three digits."""
    seconds = wait.total_seconds()
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
