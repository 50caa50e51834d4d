"""`connector backtest`: had this campaign been live, what would have come of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress

from connector.app.backtest import BacktestResult
from connector.app.backtest import backtest as test
from connector.rules.model.instants import write_instant
from connector.rules.model.values import parse_duration
from connector.simulation.tally import quantiles
from connector.store.engine.database import database_now
from starter.commands.options import DataOption, JsonOption, parse_time
from starter.commands.session import run, session
from starter.terminal import print_json, print_result, table


def backtest(
    campaign: Annotated[str, typer.Argument(help="A follow-on; its newest revision is tested, draft or live.")],
    since: Annotated[str, typer.Option(help='From when on, like 2026-03-02T00:00:00Z, or how long ago: "30 days".')],
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge the log as if a follow-on had been live: how many would have been triggered, called off, capped, sent.

    It also tells how long after the trigger its exceptions come, so that the delay can be chosen. Users are taken as
    they are known now, other campaigns' messages as they really went out. Nothing is sent or changed.

    Examples:

      connector backtest cart-reminder --since "30 days"

      connector backtest cart-reminder --since 2026-03-02T00:00:00Z --json
    """
    tested = run(_test(data, campaign, since))
    if as_json:
        print_json(_as_json(tested))
    else:
        print_result(_story(tested))


async def _test(data: Path | None, campaign: str, since: str) -> BacktestResult:
    async with session(data) as context:
        catalogue = await context.cache.at_least(context.database)
        async with context.database.read(context.workspace) as tx:
            now = await database_now(tx)
            begin = _begin(since, now)
            console = Console(stderr=True)
            with Progress(console=console, transient=True, disable=not console.is_terminal) as shown:
                task = shown.add_task("Judging users", total=None)
                return await test(
                    tx,
                    catalogue,
                    campaign,
                    since=begin,
                    until=now,
                    progress=lambda done, users: shown.update(task, completed=done, total=users),
                )


def _begin(since: str, now: datetime) -> datetime:
    try:
        begin = now - parse_duration(since)
    except ValueError:
        begin = parse_time("--since", since, otherwise=', or how long ago, like "30 days"')
    if begin >= now:
        raise typer.BadParameter(f"--since {since!r} is not in the past")
    return begin


def _as_json(tested: BacktestResult) -> dict[str, Any]:
    tally = tested.tally
    waits = {f"p{share}": wait.total_seconds() for share, wait in quantiles(tally.until_exception).items()}
    return {
        "campaign": tested.campaign,
        "revision": tested.revision,
        "since": write_instant(tested.since),
        "until": write_instant(tested.until),
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


def _story(tested: BacktestResult) -> str:
    tally = tested.tally
    counts = [
        ("triggered", "", tally.triggered),
        *(("called off by", name, count) for name, count in tally.excepted.most_common()),
        *(("dropped", name, count) for name, count in tally.dropped.most_common()),
        ("control group", "", tally.control),
        ("sent", "", tally.sent),
        ("still waiting", "", tally.waiting),
        *(("refused", name, count) for name, count in tally.refused.most_common()),
    ]
    shown = [(what, name, f"{count:,}") for what, name, count in counts if count or what in ("triggered", "sent")]
    head = (
        f"had {tested.campaign} (revision {tested.revision}) been live since {write_instant(tested.since)}, "
        f"for {tally.users:,} {'user' if tally.users == 1 else 'users'}:"
    )
    return "\n\n".join([head, table(("", "", "follow-ups"), shown), _until_exception(tally.until_exception)])


def _until_exception(waits: list[timedelta]) -> str:
    if not waits:
        return "no exception came after a trigger"
    rows = [(f"{share} %", _rounded(wait)) for share, wait in quantiles(waits).items()]
    head = f"of {len(waits):,} who did what calls it off, however long after the trigger, so many had by then:"
    return f"{head}\n{table(('', 'within'), rows)}"


def _rounded(wait: timedelta) -> str:
    """A length of time as somebody says it."""
    seconds = wait.total_seconds()
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds:.3g} seconds"
