"""Lifecycle orders on real processes: while a worker has a backlog, without a worker, and without Temporal."""

from collections import Counter
from pathlib import Path
from time import monotonic
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select
from temporalio.testing import WorkflowEnvironment

from connector.app.context import build_context
from connector.store.engine.database import Database
from connector.store.tables import follow_ups, orders
from connector.temporal.client import TemporalLink
from tests.support.api import open_client
from tests.support.builders import follow_on, now
from tests.support.connector_processes import ConnectorProcesses
from tests.support.polling import until
from tests.support.temporal_server import open_environment
from tests.support.workspace import settings_for

DUE = 3000
MAX_SECONDS = 15.0
"""The aim is 3 seconds on a quiet machine with two cores; CI may be slower. Behind the backlog it was 40 seconds."""
AT_ONCE = follow_on("at-once", {"event": "go"})
CAMPAIGN_URL = "/v1/campaigns/at-once"


@pytest.fixture
def processes(environment: WorkflowEnvironment, sqlite_url: str, tmp_path: Path) -> ConnectorProcesses:
    """The processes of a workspace, on SQLite."""
    temporal = environment.client.service_client.config.target_host
    return ConnectorProcesses(f"w{uuid4().hex[:8]}", sqlite_url, temporal, tmp_path, CONNECTOR_KEY_RATE="1000000")


async def succeed(api: httpx.AsyncClient, path: str, body: object = None, **headers: str) -> dict[str, object]:
    """Send a POST that must succeed, and return its response."""
    response = await api.post(path, json=body, headers=headers)
    assert response.status_code == 200, response.text
    found: dict[str, object] = response.json()
    return found


@pytest.mark.serial
@pytest.mark.timeout(400)
async def test_stop_overtakes_what_is_due(processes: ConnectorProcesses, sqlite_database: Database) -> None:
    """`stop` is answered while most of the backlog is unsent, and nothing more of the backlog is sent then."""
    async with processes.api() as api:
        assert (await api.put(CAMPAIGN_URL, json=AT_ONCE)).is_success
        async with processes.worker():
            await succeed(api, f"{CAMPAIGN_URL}/publish")
        for first in range(0, DUE, 1000):
            ids = [f"u{number}" for number in range(first, first + 1000)]
            events = [{"user": id, "type": "event", "name": "go", "occurred_at": now().isoformat()} for id in ids]
            users = [{"id": id, "push_tokens": ["token"]} for id in ids]
            await succeed(api, "/v1/interactions", {"interactions": events, "users": users})
        await until(lambda: _is_outbox_empty(sqlite_database), "the start of every follow-up", seconds=300)
        async with processes.worker():
            await until(lambda: _sent(sqlite_database), "the first message", seconds=120)
            started_at = monotonic()
            receipt = await succeed(api, f"{CAMPAIGN_URL}/stop")
            seconds, unsent = monotonic() - started_at, DUE - await _sent(sqlite_database)
            assert receipt["changed"] == ["at-once"]
            assert unsent > DUE / 2
            assert seconds < MAX_SECONDS
            await until(lambda: _has_ended(sqlite_database), "the end of every wait", seconds=120)
    states = await _states(sqlite_database)
    assert states["sent", None] <= DUE - unsent + 100, "more than was under way"
    assert states["sent", None] + states["dropped", "stopped"] == DUE


@pytest.mark.timeout(240)
async def test_publish_without_a_worker_and_again_with_the_same_key(
    processes: ConnectorProcesses, sqlite_database: Database
) -> None:
    """A client that gave up three times repeats its order with its key: one order, and one receipt."""
    key = {"Idempotency-Key": "release-42"}
    async with processes.api() as api:
        assert (await api.put(CAMPAIGN_URL, json=AT_ONCE)).is_success
        for _ in range(3):
            with pytest.raises(httpx.ReadTimeout):
                await api.post(f"{CAMPAIGN_URL}/publish", headers=key, timeout=1)
        async with processes.worker():
            receipt = await succeed(api, f"{CAMPAIGN_URL}/publish", **key)
        assert receipt["changed"] == ["at-once"]
        assert await succeed(api, f"{CAMPAIGN_URL}/publish", **key) == receipt  # without a worker
    async with sqlite_database.read("default") as tx:
        assert (await tx.execute(select(func.count()).select_from(orders))).scalar_one() == 1


@pytest.mark.timeout(240)
async def test_temporal_goes_away(sqlite_database: Database, sqlite_url: str, tmp_path: Path) -> None:
    """An order is a 503 with the command line's message if Temporal was stopped after the API connected to it."""
    async with await open_environment() as environment:
        link = TemporalLink(environment.client)
    context = build_context(settings_for("default", sqlite_url, tmp_path), sqlite_database, link)
    async with open_client(context) as api:
        assert (await api.put(CAMPAIGN_URL, json=AT_ONCE)).is_success
        response = await api.post(f"{CAMPAIGN_URL}/publish")
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (503, "registry_unavailable")
    assert "Temporal does not answer" in error["message"]
    assert "may still be carried out" in error["message"]


async def _states(database: Database) -> Counter[tuple[str, str | None]]:
    statement = select(follow_ups.c.state, follow_ups.c.reason, func.count()).group_by(
        follow_ups.c.state, follow_ups.c.reason
    )
    async with database.read("default") as tx:
        return Counter({(state, reason): count for state, reason, count in await tx.execute(statement)})


async def _sent(database: Database) -> int:
    return (await _states(database))["sent", None]


async def _has_ended(database: Database) -> bool:
    return {state for state, _ in await _states(database)} <= {"sent", "dropped"}


async def _is_outbox_empty(database: Database) -> bool:
    async with database.read("default") as tx:
        waiting = select(func.count()).where(follow_ups.c.started_at.is_(None))
        return (await tx.execute(waiting)).scalar_one() == 0
