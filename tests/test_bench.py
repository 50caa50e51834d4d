"""The bench: what its figures mean, and that each measurement runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.databases import SqliteFiles, start_cluster
from bench.figures import Aim, Row, at_least, at_most
from bench.measurements import MEASUREMENTS
from bench.rounds import QUICK, Bench, Sizes
from tests.support.databases import find_binaries
from tests.support.repository import ROOT


@pytest.mark.parametrize(
    ("aim", "ours", "met"),
    [
        (at_least(0.9), 90, True),
        (at_least(0.9), 89, False),
        (at_most(1.1), 110, True),
        (at_most(1.1), 111, False),
        (at_most(200, of="ours"), 200, True),
        (at_most(200, of="ours"), 201, False),
    ],
)
def test_an_aim_is_met_from_its_own_side(aim: Aim, ours: float, met: bool) -> None:
    """A rate must be at least, a time or a size at most what is aimed at, as a ratio or by itself."""
    assert Row("x", "/s", "bare", (aim,)).figure([(ours, 100)]).missed == (() if met else (aim,))


def test_the_ratio_is_that_of_the_rounds() -> None:
    """A machine that grows ten times slower half-way changes the medians, not the ratio."""
    measured = Row("x", "/s", "bare").figure([(80, 100), (80, 100), (8, 10), (8, 10)])
    assert (measured.ratio, measured.spread) == (pytest.approx(0.8), pytest.approx(0))


@pytest.mark.parametrize(
    ("ratios", "rounds"),
    [
        ([1.0, 1.01, 1.02, 1.0, 3.0], 4),
        ([1.0, 1.2, 1.01, 1.02, 1.0, 1.02, 1.0, 1.01, 1.0], 8),
        ([1.0, 2.0] * 5, 9),
    ],
)
async def test_a_measurement_is_repeated_until_its_median_is_narrow(ratios: list[float], rounds: int) -> None:
    """Four rounds that agree are enough, one outlier needs eight, and what never agrees ends after nine."""

    async def measure(number: int) -> list[tuple[float, float]]:
        return [(ratios[number], 1)]

    bench = Bench(Sizes(), Path(), SqliteFiles(Path()), lambda _: None)
    [figure] = await bench.repeat("x", [Row("x", "/s", "bare")], measure)
    assert figure.rounds == rounds


@pytest.mark.parametrize("name", MEASUREMENTS)
async def test_each_measurement_runs(name: str, tmp_path: Path) -> None:
    """A tiny version of every row of the table can be measured."""
    bench = Bench(QUICK, tmp_path, SqliteFiles(tmp_path), lambda _: None)
    figures = await MEASUREMENTS[name].measure(bench)
    assert all(figure.ours > 0 and (figure.baseline is None or figure.baseline > 0) for figure in figures)


@pytest.mark.skipif(find_binaries() is None, reason="PostgreSQL is not installed")
async def test_measurements_run_on_a_cluster_of_their_own(tmp_path: Path) -> None:
    """With `--postgresql` each database is one of a cluster that is started for it."""
    with start_cluster() as cluster:
        [figure] = await MEASUREMENTS["late"].measure(Bench(QUICK, tmp_path, cluster, lambda _: None))
    assert figure.ours > 0


def test_the_report_is_json_or_markdown_and_the_exit_code_is_about_the_aims_only_if_asked() -> None:
    """`--json` prints one object, `--markdown` the table of docs/load.md; `--check` ends with 1 for a missed aim."""
    names = {figure["name"] for figure in json.loads(_bench("--json", code=0))["figures"]}
    assert names == {"connector --help", "connector status"}
    heading, _, *rows = _bench("--markdown", "--check", code=None).splitlines()[2:]
    assert heading == "| figure | connector | baseline | ratio | ± | aim | met |"
    assert len(rows) == 2
    assert "late: one late item" in _bench("--help", code=0)
    _bench("--only", "everything", code=2)


def _bench(*options: str, code: int | None) -> str:
    """Run the smallest measurement, and return what it printed on standard output."""
    command = [sys.executable, "-m", "bench.run", "--quick", "--only", "commands", *options]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)
    assert ended.returncode in ((0, 1) if code is None else (code,)), ended.stderr
    return ended.stdout
