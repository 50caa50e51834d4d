"""A launch on the command line and over HTTP: the preview of a resume, and the counts of its outcomes."""

import asyncio
import io
import json
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update

from connector.app.context import AppContext
from connector.store.tables import follow_ups, launches
from tests.support.api import Connector
from tests.support.installation import Installation
from tests.support.launch_harness import NOW, LaunchHarness

FORECAST = {"campaign": "o", "at_once": 2, "stale": 1, "later": 0, "is_exact": True}
WARNING = (
    "1 user gets no message, because their time passed more than 1 day ago (stale); 2 users get the message at once"
)


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
async def paused(context: AppContext, data: Path) -> LaunchHarness:
    """A stopped launch: two users were sent to, two wait for their turn, and one waits for two days."""
    harness = LaunchHarness(Installation(context.database))
    await harness.crowd(5)
    await harness.publish(per_minute=2)
    await harness.work(NOW)
    await harness.installation.order("stop", "o")
    waiting = [row.id for row in await harness.rows() if row.state == "waiting"]
    async with context.database.write("default") as tx:
        await tx.execute(update(launches).values(kept_up_at=NOW - timedelta(days=2)))
        for id, hours in zip(waiting, (48, 3, 2), strict=True):
            waited_for = NOW - timedelta(hours=hours)
            await tx.execute(update(follow_ups).where(follow_ups.c.id == id).values(next_at=waited_for))
    return harness


async def test_dry_run(connector: Connector, paused: LaunchHarness) -> None:
    """P9: `resume --dry-run` says how many are sent at once and how many are dropped, and changes nothing."""
    code, out, err = await asyncio.to_thread(connector, "resume", "o", "--dry-run")
    assert (code, out) == (0, "would resume o\no: 2 at once, 1 stale, 0 later\n")
    assert WARNING in err
    code, out, _ = await asyncio.to_thread(connector, "resume", "o", "--dry-run", "--json")
    shown = json.loads(out)
    [warning] = shown.pop("warnings")
    assert WARNING in warning
    assert shown == {"changed": ["o"], "unchanged": [], "launches": [FORECAST]}


async def test_dry_run_of_a_refused_resume(connector: Connector, paused: LaunchHarness) -> None:
    """A dry run is refused with the problem of the order."""
    code, out, err = await asyncio.to_thread(connector, "resume", "unknown", "--dry-run")
    assert (code, out) == (1, "")
    assert "resume is refused" in err


async def test_confirmation(connector: Connector, paused: LaunchHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """P9: in a terminal, `resume` shows the preview and asks; without a yes it does nothing."""
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, out, err = await asyncio.to_thread(connector, "resume", "o")
    assert (code, out.strip()) == (1, "")
    assert WARNING in err
    assert "Resume o?" in err


async def test_preview_over_http(api: httpx.AsyncClient, paused: LaunchHarness) -> None:
    """The same by GET; 404 for an unknown campaign, 409 for a campaign that cannot be resumed."""
    shown = await api.get("/v1/campaigns/o/resume")
    assert (shown.status_code, shown.json()["launches"]) == (200, [FORECAST])
    assert (await api.get("/v1/campaigns/unknown/resume")).status_code == 404
    await paused.installation.order("archive", "o")
    assert (await api.get("/v1/campaigns/o/resume")).status_code == 409


async def test_outcomes_in_columns(connector: Connector, context: AppContext, data: Path) -> None:
    """Control, excepted, dropped and failed are apart in `status`."""
    harness = LaunchHarness(Installation(context.database))
    await harness.crowd(7)
    await harness.publish()
    await harness.step(NOW)
    states = ("waiting", "sent", "control", "excepted", "dropped", "failed", "held")
    async with context.database.write("default") as tx:
        for row, state in zip(await harness.rows(), states, strict=True):
            await tx.execute(update(follow_ups).where(follow_ups.c.id == row.id).values(state=state))
    _, out, _ = await asyncio.to_thread(connector, "status")
    header, row = (line.split() for line in out.splitlines())
    counts = dict(zip(header, row, strict=True))
    assert {name: counts[name] for name in header[5:]} == {
        "waiting": "2", "sent": "1", "control": "1", "excepted": "1", "dropped": "1", "failed": "1", "refused": "0",
    }  # fmt: skip


async def test_outcomes_over_http(api: httpx.AsyncClient, paused: LaunchHarness) -> None:
    """The states and reasons of a launch's users are in the results, as `status` counts them."""
    await paused.installation.order("archive", "o")
    await paused.work(NOW)
    shown = (await api.get("/v1/campaigns/o/results")).json()["follow_ups"]
    assert shown == [
        {"state": "dropped", "reason": "stopped", "count": 3},
        {"state": "sent", "reason": None, "count": 2},
    ]
