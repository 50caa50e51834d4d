"""`make bench`: runs the measurements and prints a table of the figures."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Annotated

import structlog
import typer
from rich.console import Console

from bench import hardware, report
from bench.databases import Databases, SqliteFiles, start_cluster
from bench.figures import Figure
from bench.measurements import MEASUREMENTS
from bench.rounds import QUICK, Bench, Progress, Sizes
from connector.app.event_loop import run_service

_NAMES = "\n\n".join(f"  {name}: {measurement.describe}" for name, measurement in MEASUREMENTS.items())
_HELP = f"""Measure the connector against bare baselines, both in the same run and in turn.

Everything runs as in production: `connector api` and `connector worker` are processes of their own, and each pair of
measurements has a Temporal server and databases that nothing has used before. Do not use the machine meanwhile. Each
figure is repeated until its median is narrow (the column ±). `make bench ARGS="--only draining"` passes options on.

Measurements:

{_NAMES}
"""


async def measure(names: Sequence[str], bench: Bench) -> list[Figure]:
    """Run these measurements one after another."""
    figures: list[Figure] = []
    for name in names:
        started_at = perf_counter()
        measured = await MEASUREMENTS[name].measure(bench)
        found = "; ".join(report.in_short(figure) for figure in measured)
        seconds, rounds = perf_counter() - started_at, measured[0].rounds
        print(f"{name} ({seconds:.0f} s, {rounds} rounds): {found}", file=sys.stderr, flush=True)
        figures += measured
    return figures


def main(
    only: Annotated[list[str] | None, typer.Option(metavar="NAME", help="One of them; may be repeated.")] = None,
    postgresql: Annotated[bool, typer.Option(help="On a PostgreSQL cluster of its own instead of SQLite.")] = False,
    rounds: Annotated[int | None, typer.Option(min=1, help="So many rounds instead of as many as it takes.")] = None,
    quick: Annotated[bool, typer.Option(help="Small sizes: show that it works; the figures mean little.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    markdown: Annotated[bool, typer.Option(help="Print the table as docs/load.md has it.")] = False,
    check: Annotated[bool, typer.Option(help="End with exit code 1 if an aim is missed.")] = False,
) -> None:
    """Measure, and print the report."""  # the help of the command is _HELP
    unknown = set(only or ()) - set(MEASUREMENTS)
    if unknown:
        problem = f"{', '.join(sorted(unknown))}: not one of {', '.join(MEASUREMENTS)}"
        raise typer.BadParameter(problem, param_hint="--only")
    database = "postgresql" if postgresql else "sqlite"
    names = only or [name for name, measurement in MEASUREMENTS.items() if database in measurement.databases]
    sizes = QUICK if quick else Sizes()
    if rounds is not None:
        sizes = replace(sizes, min_rounds=rounds, max_rounds=rounds)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    started_at = perf_counter()
    with (
        tempfile.TemporaryDirectory(prefix="connector-bench-") as path,
        _open_databases(Path(path), postgresql) as databases,
        _show_progress() as progress,
    ):
        bench = Bench(sizes, Path(path), databases, progress)
        described = hardware.describe(bench.folder, databases.name)
        figures = run_service(measure(names, bench))
    print_report = report.print_json if as_json else report.print_markdown if markdown else report.print_table
    print_report(figures, described, perf_counter() - started_at)
    if check and any(figure.missed for figure in figures):
        raise typer.Exit(1)


@contextmanager
def _open_databases(folder: Path, postgresql: bool) -> Iterator[Databases]:
    if not postgresql:
        yield SqliteFiles(folder)
        return
    with start_cluster() as cluster:
        yield cluster


@contextmanager
def _show_progress() -> Iterator[Progress]:
    """Show a spinner with the current step on standard error; nothing if that is no terminal."""
    console = Console(stderr=True)
    with console.status("starting", spinner="line") as status:
        yield lambda step: status.update(step)


if __name__ == "__main__":
    program = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown")
    program.command(help=_HELP)(main)
    try:
        program()
    except SystemExit as ended:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 0)  # the SDK sometimes aborts at interpreter exit
