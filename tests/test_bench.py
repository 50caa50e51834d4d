"""The bench: what its figures mean, and that each measurement runs."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from bench.databases import SqliteFiles, find_binaries, start_cluster
from bench.figures import Aim, Row, at_least, at_most
from bench.measurements import MEASUREMENTS
from bench.report import print_markdown
from bench.rounds import QUICK, Bench, Sizes
from tests.support.repository import ROOT


class MigratedFiles(SqliteFiles):
    """SQLite files that have been migrated already, which takes longer than many a measurement."""

    def __init__(self, folder: Path, template: Path) -> None:
        super().__init__(folder)
        self._template = template

    def create(self) -> str:
        """Return the URL of a copy of the template."""
        url = super().create()
        shutil.copy(self._template, url.removeprefix("sqlite:///"))
        return url


@pytest.fixture
def databases(tmp_path: Path, _sqlite_template: Path) -> MigratedFiles:
    """The databases of a measurement, which may need several."""
    return MigratedFiles(tmp_path, _sqlite_template)


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
        ([1.0, 1.01, 1.02, 1.0, 3.0], 3),
        ([1.0, 1.2, 1.01, 1.02, 1.0, 1.02, 1.0, 1.01, 1.0], 8),
        ([1.0, 2.0] * 5, 9),
    ],
)
async def test_a_measurement_is_repeated_until_its_median_is_narrow(ratios: list[float], rounds: int) -> None:
    """Three rounds that agree are enough, one outlier needs eight, and what never agrees ends after nine."""

    async def measure(number: int) -> list[tuple[float, float]]:
        return [(ratios[number], 1)]

    bench = Bench(Sizes(), Path(), SqliteFiles(Path()), lambda _: None)
    [figure] = await bench.repeat("x", [Row("x", "/s", "bare")], measure)
    assert figure.rounds == rounds


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [name for name, each in MEASUREMENTS.items() if "sqlite" in each.databases])
async def test_each_measurement_runs(name: str, tmp_path: Path, databases: MigratedFiles) -> None:
    """A tiny version of every row of the table can be measured."""
    bench = Bench(QUICK, tmp_path, databases, lambda _: None)
    figures = await MEASUREMENTS[name].measure(bench)
    assert all(figure.ours > 0 and (figure.baseline is None or figure.baseline > 0) for figure in figures)


@pytest.mark.timeout(240)
@pytest.mark.skipif(find_binaries() is None, reason="PostgreSQL is not installed")
async def test_measurements_run_on_a_cluster_of_their_own(tmp_path: Path) -> None:
    """With `--postgresql` each database is one of a cluster that is started for it."""
    with start_cluster() as cluster:
        figures = await MEASUREMENTS["sizing"].measure(Bench(QUICK, tmp_path, cluster, lambda _: None))
    sizes = {figure.name: figure.ours for figure in figures}
    assert all(sizes.values())
    assert sizes["follow-up sent: follow_ups"] > sizes["event that touches nothing: interactions"]


def test_the_report_is_a_table_of_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    """`--markdown` prints the table of docs/load.md, with the baseline's name and each aim in its unit."""
    row = Row("messages", "/s", "bare loop", (at_least(0.5), at_least(400, of="ours")))
    print_markdown([row.figure([(450, 1000), (440, 1000)]), Row("p50", "ms").figure([(12.5, None)])], "2 cores", 90)
    assert capsys.readouterr().out.splitlines() == [
        "2 cores; 1.5 minutes:",
        "",
        "| figure | connector | baseline | ratio | ± | aim | met |",
        "|---|---|---|---|---|---|---|",
        "| messages | 445 /s | 1,000 /s (bare loop) | 0.45 | 1% | ≥ 0.5, ≥ 400 /s | no |",
        "| p50 | 12.5 ms |  |  |  |  |  |",
    ]


def test_the_bench_prints_one_json_object() -> None:
    """`--json` prints one object and nothing else on standard output; without `--check` a missed aim is no error."""
    ended = _run_bench("--quick", "--json", "--only", "ingesting")
    assert ended.returncode == 0, ended.stderr
    [figure] = json.loads(ended.stdout)["figures"]
    assert (figure["unit"], figure["rounds"]) == ("ms", 1)


def test_an_unknown_measurement_is_refused_with_the_names_of_all() -> None:
    """`--only` with another name ends with exit code 2."""
    ended = _run_bench("--only", "everything")
    assert ended.returncode == 2
    assert "everything: not one of accepting" in ended.stderr


def _run_bench(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.run", *options]
    return subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110)
