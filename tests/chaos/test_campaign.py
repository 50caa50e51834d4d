"""A short kill campaign; `make chaos` runs long ones."""

from pathlib import Path

import pytest

from bench.databases import find_binaries
from tests.chaos.__main__ import table
from tests.chaos.campaign import Plan, run

pytestmark = [pytest.mark.paired, pytest.mark.timeout(1200)]


async def test_a_quarter_of_a_minute_of_faults(tmp_path: Path) -> None:
    """Processes, servers and connections fail: nothing is lost, sent twice or unexplained (guarantees 1 to 6)."""
    if find_binaries() is None:
        pytest.skip("no PostgreSQL server binaries (initdb, postgres) on PATH or in /usr/lib/postgresql/*/bin")
    plan = Plan(seed=15, seconds=15, pause_seconds=1.0, reporters=3, quiet_seconds=600)
    report = await run(plan, tmp_path, print)
    assert report.verdict.is_clean, table(report)
    assert report.faults, "no fault happened"
    assert report.received, "no message was received"
