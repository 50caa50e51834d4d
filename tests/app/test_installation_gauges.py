"""The gauges of an installation: asked once for many scrapes, by a few statements, and never failing a scrape."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from connector.app.context import build_context
from connector.app.installation_gauges import GAUGES, create_gauges
from connector.app.metrics_page import MetricsPage
from connector.health.checks import Check, CheckName, CheckStatus
from connector.settings.application import Settings
from connector.store.engine.database import Database
from connector.store.reporting.backlogs import Backlog, Backlogs, LaunchWork

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _without_temporal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")


def values(registry: CollectorRegistry) -> dict[str, float]:
    """Return every value by its name and its labels without the workspace."""
    found: dict[str, float] = {}
    for family in registry.collect():
        for sample in family.samples:
            labels = [value for name, value in sample.labels.items() if name != "workspace"]
            found[" ".join([sample.name.removeprefix("connector_"), *labels])] = sample.value
    return found


def test_gauges_of_backlogs() -> None:
    """Counts and ages; a launch is idle only while messages of it are due."""

    def launch(campaign: str, *, gathering: bool = False, paused: bool = False, due: int = 0) -> LaunchWork:
        return LaunchWork(campaign, gathering, paused, NOW - timedelta(minutes=20), 7, due)

    found = Backlogs(
        NOW,
        {"waiting": Backlog(3, NOW - timedelta(hours=1)), "held": Backlog()},
        {"start": Backlog(2, NOW - timedelta(seconds=5))},
        [launch("due", due=4), launch("later"), launch("new", gathering=True), launch("off", paused=True, due=4)],
    )
    shown = values(create_gauges("w", found, [Check(CheckName.DATABASE)]))
    assert shown == {
        "check_ok database": 1,
        "database_up": 1,
        "follow_ups_overdue waiting": 3,
        "follow_ups_overdue held": 0,
        "follow_ups_overdue_age_seconds waiting": 3600,
        "follow_ups_overdue_age_seconds held": 0,
        "outbox_backlog start": 2,
        "outbox_backlog_age_seconds start": 5,
        **{f"launches {phase}": 1 for phase in ("gathering", "sending", "waiting", "paused")},
        **{f"launch_open_messages {campaign}": 7 for campaign in ("due", "later", "new", "off")},
        **{f"launch_idle_seconds {campaign}": 0 for campaign in ("later", "new", "off")},
        "launch_idle_seconds due": 1200,
    }
    assert {f"connector_{name.split()[0]}" for name in shown} == set(GAUGES)


def test_what_is_not_known_is_left_out() -> None:
    """Without the database, unknown gauges are left out, not 0; a check that cannot be made is neither 1 nor 0."""
    checks = [
        Check(CheckName.DATABASE, CheckStatus.FAILED, "it is down"),
        Check(CheckName.TABLES, CheckStatus.UNKNOWN, "the database is down"),
    ]
    assert values(create_gauges("w", None, checks)) == {"check_ok database": 0, "database_up": 0}


async def test_many_scrapes_are_one_set_of_queries(sqlite_database: Database) -> None:
    """Scrapes within ten seconds share one set of queries; a later scrape queries again."""
    context = build_context(Settings(), sqlite_database)
    seconds = [0.0]
    context.gauges._clock = lambda: seconds[0]
    with sqlite_database.count_statements() as count:
        await asyncio.gather(*(context.gauges.read() for _ in range(20)))
        first = len(count.statements)
        seconds[0] = 9.9
        await asyncio.gather(*(context.gauges.read() for _ in range(20)))
        assert len(count.statements) == first <= 20
        seconds[0] = 10.1
        await context.gauges.read()
        assert first < len(count.statements) <= 2 * first


async def test_a_database_that_is_down_fails_no_scrape() -> None:
    """The page has the process's own counters, and says that the database does not answer."""
    database = Database.open("postgresql://nobody@127.0.0.1:1/nowhere")
    try:
        page = (await MetricsPage(build_context(Settings(), database).gauges).render()).decode()
    finally:
        await database.close()
    assert 'connector_database_up{workspace="default"} 0.0' in page
    assert 'connector_check_ok{check="database",workspace="default"} 0.0' in page
    assert 'connector_database_outages_total{outage="unreachable"}' in page
    assert "connector_follow_ups_overdue{" not in page


async def test_the_sdk_that_does_not_answer_fails_no_scrape(sqlite_database: Database) -> None:
    """The page leaves out the metrics of an SDK that does not answer, and has all others."""
    page = MetricsPage(build_context(Settings(), sqlite_database).gauges, sdk="http://127.0.0.1:1/metrics")
    assert b"connector_database_up" in await page.render()
