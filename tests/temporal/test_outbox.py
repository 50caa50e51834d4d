"""The outbox against the real Temporal server: what the store says is started or told, once Temporal is there."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import select, update
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.store.engine.database import Database
from connector.store.tables import follow_ups
from connector.temporal.outbox import Outbox
from tests.support.builders import ABANDONED, ORIGINAL, buy, push
from tests.support.installation import Installation
from tests.support.polling import until


@pytest.fixture
def real_installation(sqlite_database: Database) -> Installation:
    """On SQLite: the outbox's statements are the same on both."""
    return Installation(sqlite_database)


async def _rows(installation: Installation) -> list[Any]:
    async with installation.database.read("default") as tx:
        return list((await tx.execute(select(follow_ups).order_by(follow_ups.c.due_at))).all())


def _handle(client: Client, row: Any) -> Any:
    return client.get_workflow_handle(names.follow_up_id("default", row.campaign, row.user_key, row.id))


async def test_new_rows_get_their_workflows_once(
    real_installation: Installation, environment: WorkflowEnvironment
) -> None:
    """Guarantee 6: one workflow a row, findable by its attributes; a second sweep starts nothing."""
    await real_installation.publish(ORIGINAL, ABANDONED)
    await real_installation.ingest(push("e1", 0, user="a"), push("e2", 1, user="b"))
    outbox = Outbox(real_installation.database, "default", environment.client)
    assert await outbox.flush() == 2
    assert await outbox.flush() == 0
    for row in await _rows(real_installation):
        assert row.started_at is not None
        described = await _handle(environment.client, row).describe()
        assert described.status is WorkflowExecutionStatus.RUNNING
        attributes = {pair.key.name: pair.value for pair in described.typed_search_attributes}
        assert attributes["CampaignId"] == "f"
        assert attributes["DueAt"] == row.due_at.replace(microsecond=0) or attributes["DueAt"] == row.due_at


async def test_start_that_could_not_be_marked_is_harmless(
    real_installation: Installation, environment: WorkflowEnvironment
) -> None:
    """Killed between the start and the mark: the next sweep finds the workflow there and marks the row."""
    await real_installation.publish(ORIGINAL, ABANDONED)
    await real_installation.ingest(push("e1", 0))
    outbox = Outbox(real_installation.database, "default", environment.client)
    await outbox.flush()
    async with real_installation.database.write("default") as tx:
        await tx.execute(update(follow_ups).values(started_at=None))
    assert await outbox.flush() == 1
    [row] = await _rows(real_installation)
    assert row.started_at is not None


async def test_ended_row_signals_its_workflow_once(
    real_installation: Installation, environment: WorkflowEnvironment
) -> None:
    """X4: the end is told promptly; a row that ended before its workflow started needs neither."""
    await real_installation.publish(ORIGINAL, ABANDONED)
    await real_installation.ingest(push("e1", 0, user="a"), push("e2", 1, user="b"))
    outbox = Outbox(real_installation.database, "default", environment.client)
    await real_installation.ingest(buy("b2", 2, user="b"))
    assert await outbox.flush() == 1
    await real_installation.ingest(buy("b1", 3, user="a"))
    assert await outbox.flush() == 1
    assert await outbox.flush() == 0
    first, second = await _rows(real_installation)
    assert (first.signalled_at is not None, second.started_at) == (True, None)
    history = await _handle(environment.client, first).fetch_history()
    signals = [event for event in history.events if event.HasField("workflow_execution_signaled_event_attributes")]
    assert len(signals) == 1


async def test_temporal_down_loses_nothing(real_installation: Installation, environment: WorkflowEnvironment) -> None:
    """Guarantee 6: taken in while Temporal is away, started when it is back."""
    await real_installation.publish(ORIGINAL, ABANDONED)
    back = asyncio.Event()

    async def client() -> Client:
        if not back.is_set():
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        return environment.client

    outbox = Outbox(real_installation.database, "default", client, sweep_seconds=0.05)
    stopped = asyncio.Event()
    running = asyncio.create_task(outbox.run(stopped))
    results = await real_installation.ingest(push("e1", 0))
    assert results[0].status == "accepted"
    outbox.nudge()
    await asyncio.sleep(0)
    assert (await _rows(real_installation))[0].started_at is None
    back.set()

    async def is_started() -> bool:
        return (await _rows(real_installation))[0].started_at is not None

    await until(is_started, "the start of the workflow")
    stopped.set()
    await running
