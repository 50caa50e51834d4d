"""An outbox to which Temporal refuses every start: it rests, says so once, and goes on by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from structlog.testing import capture_logs
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from connector.health.checks import CheckName, CheckStatus
from connector.health.probe import Probe
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.temporal import rest
from connector.temporal.client import EXPECTED_ATTRIBUTES, TemporalLink, register_search_attributes
from connector.temporal.outbox import Outbox
from connector.temporal.rest import Rest
from tests.support.api import Clock
from tests.support.builders import ABANDONED, ORIGINAL, push
from tests.support.installation import Installation
from tests.support.polling import until
from tests.support.temporal_server import open_namespace


def refused(attribute: str) -> RPCError:
    """Return the answer of a server that lacks attributes: it names one of them, any."""
    return RPCError(f"no mapping defined for search attribute {attribute}", RPCStatusCode.INVALID_ARGUMENT, b"")


def test_rest_doubles_up_to_half_a_minute() -> None:
    """One line at its begin, however long it lasts, and one at its end; the next rest is short again."""
    clock = Clock()
    resting, pauses = Rest(clock), []
    with capture_logs() as logged:
        for number in range(8):
            resting.begin(refused(str(number)))
            started = clock.now
            while not resting.is_over:
                clock.now += 0.5
            pauses.append(clock.now - started)
        resting.end()
        resting.end()
        resting.begin(refused("X"))
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    assert [line["event"] for line in logged] == ["outbox_rests", "outbox_continues", "outbox_rests"]
    assert (logged[0]["status"], logged[0]["reason"]) == ("INVALID_ARGUMENT", refused("0").message)


@pytest.fixture
async def fresh_namespace(environment: WorkflowEnvironment) -> Client:
    """A client of a namespace without search attributes."""
    return await open_namespace(environment)


async def test_a_fresh_namespace(sqlite_database: Database, fresh_namespace: Client) -> None:
    """Without search attributes nothing starts and readiness names them; once they are there, everything starts."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(*(push(f"e{number}", 0, user=f"u{number}") for number in range(120)))
    outbox = Outbox(sqlite_database, "default", fresh_namespace, sweep_seconds=0.2)
    probe = Probe(
        sqlite_database,
        CatalogueCache(),
        "default",
        TemporalLink(fresh_namespace),
        refusal=lambda: outbox.refusal,
    )
    stopped = asyncio.Event()
    with capture_logs() as logged:
        running = asyncio.create_task(outbox.run(stopped))
        try:
            await until(lambda: outbox.refusal is not None)
            failed = {check.name: check.problem for check in (await probe.read_now(60)).failed}
            assert {CheckName.OUTBOX, CheckName.SEARCH_ATTRIBUTES, CheckName.WORKER} <= set(failed)
            assert "CampaignId (Keyword)" in str(failed[CheckName.SEARCH_ATTRIBUTES])
            assert "run `connector setup`" in str(failed[CheckName.SEARCH_ATTRIBUTES])
            assert set(await register_search_attributes(fresh_namespace)) == set(EXPECTED_ATTRIBUTES)
            await until(lambda: outbox.refusal is None, seconds=90)
            await until(lambda: is_ok(probe, CheckName.SEARCH_ATTRIBUTES))
        finally:
            stopped.set()
            await running
    assert await outbox.flush() == 0
    rests = [line["status"] for line in logged if line["event"] == "outbox_rests"]
    # A few, not one for each of 120 rows and sweeps: the parts of the server learn of a new namespace one by one.
    assert 1 <= len(rests) <= 4
    assert set(rests) <= {"INVALID_ARGUMENT", "NOT_FOUND"}
    assert "outbox_continues" in {line["event"] for line in logged}


async def test_a_rest_ends_when_another_process_has_started_everything(
    sqlite_database: Database,
    fresh_namespace: Client,
    environment: WorkflowEnvironment,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An API that was refused has nothing left to start once a worker has started it, and is ready again."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("e1", 0))
    refused_here = Outbox(sqlite_database, "default", fresh_namespace)
    monkeypatch.setattr(rest, "_FIRST_SECONDS", 0.0)
    await refused_here.flush()
    assert refused_here.refusal is not None
    assert await Outbox(sqlite_database, "default", environment.client).flush() == 1
    await refused_here.flush(min_age=timedelta(hours=1))
    assert refused_here.refusal is None


async def is_ok(probe: Probe, name: CheckName) -> bool:
    """Return whether a check is ok by facts of now."""
    found = await probe.read_now(60)
    return any(check.name is name and check.status is CheckStatus.OK for check in found.checks)
