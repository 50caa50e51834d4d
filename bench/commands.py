"""How long commands take to start: `connector --help`, and `connector status` of an empty workspace."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from time import perf_counter

from bench.figures import Figure, Row, Sample, at_most
from bench.processes import ROOT, environment
from bench.rounds import Bench
from bench.workspace import open_workspace

_BASELINE = "python -c pass"
ROWS = (
    Row("connector --help", "s", _BASELINE, (at_most(0.35, of="ours"),)),
    Row("connector status", "s", _BASELINE, (at_most(0.6, of="ours"),)),
)


async def measure(bench: Bench) -> list[Figure]:
    """Measure whole processes, and Python itself."""
    times = bench.sizes.command_starts
    async with open_workspace(bench) as workspace:
        settings = {"CONNECTOR_WORKSPACE": workspace.id, "CONNECTOR_DATABASE_URL": workspace.url}

        async def measure_round(_: int) -> Sequence[Sample]:
            python = _seconds(["-c", "pass"], settings, times)
            help_, status = (_seconds(["-m", "starter.cli", word], settings, times) for word in ("--help", "status"))
            return [(help_, python), (status, python)]

        return await bench.repeat("commands", ROWS, measure_round)


def _seconds(arguments: list[str], settings: dict[str, str], times: int) -> float:
    """Return the median time of a process."""
    measured = []
    for _ in range(times):
        started_at = perf_counter()
        subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT, env=environment(settings), stdin=subprocess.DEVNULL, capture_output=True, check=True,
        )  # fmt: skip
        measured.append(perf_counter() - started_at)
    return median(measured)
