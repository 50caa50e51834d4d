"""The bench: what its figures mean, and that it runs."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bench.figures import figure
from tests.support.repository import ROOT


@pytest.mark.parametrize(
    ("better", "aim", "ratio", "met"),
    [
        ("higher", 0.9, 0.9, True),
        ("higher", 0.9, 0.89, False),
        ("lower", 1.1, 1.1, True),
        ("lower", 1.1, 1.11, False),
    ],
)
def test_an_aim_is_met_from_its_own_side(better: str, aim: float, ratio: float, met: bool) -> None:
    """A rate must be at least, a time or a size at most what is aimed at."""
    assert figure("x", "/s", "bare", [(ratio, 1.0)], aim=aim, better=better).met is met


def test_the_ratio_is_that_of_the_rounds() -> None:
    """A machine that grows ten times slower half-way changes the medians, not the ratio."""
    measured = figure("x", "/s", "bare", [(80, 100), (80, 100), (8, 10), (8, 10)], aim=0.9, better="higher")
    assert measured.ratio == pytest.approx(0.8)


@pytest.mark.serial
@pytest.mark.timeout(180)
def test_the_bench_measures_every_figure() -> None:
    """`make bench ARGS="--quick --json"` prints one JSON object and nothing else on standard output."""
    command = [sys.executable, "-m", "bench.run", "--quick", "--json"]
    ended = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=170)
    assert ended.returncode == 0, ended.stderr
    figures = json.loads(ended.stdout)["figures"]
    assert [figure["unit"] for figure in figures] == [*["/s"] * 6, "ms", "MiB", "s"]
    assert all(figure["ours"] > 0 and figure["baseline"] > 0 for figure in figures)
