"""`make bench`: runs the measurements and prints a table of the figures."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import structlog
import typer
from rich.console import Console
from rich.table import Table

from bench import accepting, draining, ingesting, simulating, starting, waiting
from bench.environment import start_temporal
from bench.figures import FULL, QUICK, Figure, Progress, Sizes, show_progress

NAMES = ("accepting", "starting", "draining", "ingesting", "waiting", "simulating")


async def measure(names: tuple[str, ...], sizes: Sizes, progress: Progress) -> list[Figure]:
    """Measure these figures one after another, on one server."""
    with tempfile.TemporaryDirectory(prefix="connector-bench-") as path:
        folder = Path(path)
        async with start_temporal(folder) as client:
            measures: dict[str, Callable[[], Awaitable[Figure | list[Figure]]]] = {
                "accepting": lambda: accepting.measure(sizes, folder, client, progress),
                "starting": lambda: starting.measure(sizes, folder, client, progress),
                "draining": lambda: draining.measure(sizes, folder, client, progress),
                "ingesting": lambda: ingesting.measure(sizes, folder, progress),
                "waiting": lambda: waiting.measure(sizes, folder, client, progress),
                "simulating": lambda: asyncio.to_thread(simulating.measure, sizes, folder, progress),
            }
            figures: list[Figure] = []
            for name in names:
                measured = await measures[name]()
                figures += measured if isinstance(measured, list) else [measured]
            return figures


def main(
    only: Annotated[list[str] | None, typer.Option(help=f"One of {', '.join(NAMES)}; may be repeated.")] = None,
    quick: Annotated[bool, typer.Option(help="Small sizes: show that it works; the ratios mean little.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="Rounds of each figure.")] = None,
    starts: Annotated[int | None, typer.Option(min=1, help="Follow-ups started per round.")] = None,
    drains: Annotated[int | None, typer.Option(min=1, help="Follow-ups drained per round.")] = None,
    campaigns: Annotated[int | None, typer.Option(min=10, help="Campaigns in the large catalogue.")] = None,
    waits: Annotated[int | None, typer.Option(min=2, help="Follow-ups that wait on the worker.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of the table.")] = False,
) -> None:
    """Measure the connector against bare baselines."""
    unknown = set(only or ()) - set(NAMES)
    if unknown:
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: not one of {', '.join(NAMES)}", param_hint="--only")
    chosen = {"rounds": rounds, "starts": starts, "drains": drains, "many_campaigns": campaigns, "many_waiting": waits}
    sizes = replace(QUICK if quick else FULL, **{name: size for name, size in chosen.items() if size is not None})
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    with show_progress() as progress:
        figures = asyncio.run(measure(tuple(only or NAMES), sizes, progress))
    if as_json:
        print(json.dumps({"quick": quick, "figures": [figure.as_dict() for figure in figures]}, indent=2))
    else:
        Console().print(_table(figures))


def _table(figures: list[Figure]) -> Table:
    table = Table(title="Campaign Connector against bare baselines (medians)", title_justify="left")
    for heading in ("figure", "ours", "baseline", "", "ratio", "aim"):
        table.add_column(heading, justify="left" if heading in ("figure", "") else "right")
    for figure in figures:
        sign = "≥" if figure.better == "higher" else "≤"
        verdict = "[green]met[/]" if figure.met else "[red]missed[/]"
        table.add_row(
            figure.name,
            f"{figure.ours:,.2f} {figure.unit}",
            f"{figure.baseline:,.2f} {figure.unit}",
            figure.baseline_is,
            f"{figure.ratio:.2f}",
            f"{sign} {figure.aim} {verdict}" if figure.aim is not None else "",
        )
    return table


if __name__ == "__main__":
    try:
        typer.run(main)
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 0)  # the SDK sometimes aborts at interpreter exit
