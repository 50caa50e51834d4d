"""The outbox against the real Temporal server: what the store says is started or told, once Temporal is there."""

import asyncio
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select, update
from structlog.testing import capture_logs
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.channels.protocol import Rejected
from connector.store.engine.database import Database, database_now
from connector.store.tables import follow_ups
from connector.temporal.client import ClientSource
from connector.temporal.outbox import Outbox
from connector.temporal.reconciliation import Reconciliation
from connector.wire import FollowUpStart
from tests.support.builders import ABANDONED, ORIGINAL, buy, now, push
from tests.support.installation import Installation
from tests.support.polling import until
from tests.support.repair_desk import RepairDesk


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


async def test_moved_row_signals_its_workflow_once(
    real_installation: Installation, environment: WorkflowEnvironment
) -> None:
    """An operator moved it in the store: its workflow hears of the new time, and a row without one starts with it."""
    desk = RepairDesk(real_installation)
    await real_installation.publish(ORIGINAL, ABANDONED)
    await real_installation.ingest(push("e1", 0, user="a"))
    outbox = Outbox(real_installation.database, "default", environment.client)
    assert await outbox.flush() == 1
    until_then = now() + timedelta(days=3)
    assert [one.outcome for one in (await desk.act("postpone", to=until_then)).items] == ["done"]
    assert [await outbox.flush() for _ in range(2)] == [1, 0]
    [row] = await _rows(real_installation)
    history = await _handle(environment.client, row).fetch_history()
    signals = [event for event in history.events if event.HasField("workflow_execution_signaled_event_attributes")]
    assert [one.workflow_execution_signaled_event_attributes.signal_name for one in signals] == [names.MOVED]
    assert (row.moved_at, row.next_at) == (None, until_then)


async def test_resent_row_begins_another_workflow(
    real_installation: Installation, environment: WorkflowEnvironment
) -> None:
    """Guarantee 6: an id is used once, so it has an id of its own; that the first one was terminated ends nothing."""
    desk = RepairDesk(real_installation)
    await desk.open(ABANDONED)
    outbox = Outbox(real_installation.database, "default", environment.client)
    await outbox.flush()
    await desk.attempt("push", Rejected("http_400", "no"))
    row = await desk.row()
    first = _handle(environment.client, row)
    await first.terminate()
    assert (await desk.resend()).outcome == "resent"
    query = f"WorkflowId = '{first.id}' AND ExecutionStatus = 'Terminated'"
    await until(lambda: _is_listed(environment.client, query))
    assert await Reconciliation(real_installation.database, "default", environment.client).reconcile() == 0
    assert await outbox.flush() == 1
    second = environment.client.get_workflow_handle(f"{first.id}.2")
    assert (await second.describe()).status is WorkflowExecutionStatus.RUNNING
    await real_installation.ingest(buy("b1", 3))
    assert await outbox.flush() == 1
    history = await second.fetch_history()
    assert any(event.HasField("workflow_execution_signaled_event_attributes") for event in history.events)


async def _is_listed(client: Client, query: str) -> bool:
    return (await client.count_workflows(query)).count == 1


async def test_busy_process_starts_what_is_due_soon(
    real_installation: Installation, environment: WorkflowEnvironment
) -> None:
    """While it ingests, it starts what is due within a minute; the rest, and signals, wait until it is idle."""
    await real_installation.publish(ORIGINAL, ABANDONED)
    await real_installation.ingest(push("e1", 0, user="a"), push("e2", 1, user="b"))
    idle = asyncio.Event()
    outbox = Outbox(real_installation.database, "default", environment.client, sweep_seconds=60, idle=idle)
    async with real_installation.database.write("default") as tx:
        now = await database_now(tx)
        for trigger, due in (("e1", timedelta(seconds=30)), ("e2", timedelta(minutes=2))):
            await tx.execute(update(follow_ups).where(follow_ups.c.trigger_id == trigger).values(due_at=now + due))
    assert await outbox.flush() == 1
    assert [row.started_at is not None for row in await _rows(real_installation)] == [True, False]
    await real_installation.ingest(buy("b1", 3, user="a"))
    assert await outbox.flush() == 0
    stopped = asyncio.Event()
    running = asyncio.create_task(outbox.run(stopped))
    await asyncio.sleep(0)
    idle.set()

    async def is_done() -> bool:
        first, second = await _rows(real_installation)
        return first.signalled_at is not None and second.started_at is not None

    await until(is_done, "the signal and the start")
    stopped.set()
    await running


async def test_temporal_down_loses_nothing(real_installation: Installation, environment: WorkflowEnvironment) -> None:
    """Guarantee 6: ingested while Temporal is down, started when it is back."""
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


class _FakeClient:
    """A client whose starts take a turn of the event loop, and fail from the one with number `fails_from`."""

    def __init__(self, fails_from: int | None = None, status: RPCStatusCode = RPCStatusCode.UNAVAILABLE) -> None:
        self.started: list[str] = []
        self.calls = self.at_once = self.most_at_once = 0
        self._fails_from, self._status = fails_from, status

    async def start_workflow(self, _: str, start: FollowUpStart, *, rpc_timeout: timedelta, **__: Any) -> None:
        assert timedelta(0) < rpc_timeout <= timedelta(seconds=10)
        self.calls += 1
        number = self.calls
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if self._fails_from is not None and number >= self._fails_from:
            raise RPCError("away", self._status, b"")
        self.started.append(start.follow_up_id)


def _source(client: _FakeClient) -> ClientSource:
    async def source() -> Client:
        return cast(Client, client)

    return source


def _outbox(installation: Installation, client: _FakeClient) -> Outbox:
    return Outbox(installation.database, "default", _source(client))


async def _ingest_triggers(installation: Installation, count: int) -> None:
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(*(push(f"e{number}", number % 50, user=f"u{number}") for number in range(count)))


async def test_page_is_started_in_order_and_marked_in_groups(real_installation: Installation) -> None:
    """600 rows: the oldest due first, 50 calls at once, and 14 statements whatever their number per group."""
    await _ingest_triggers(real_installation, 600)
    client = _FakeClient()
    with real_installation.database.count_statements() as count:
        assert await _outbox(real_installation, client).flush() == 600
    rows = await _rows(real_installation)
    due = {row.id: row.due_at for row in rows}
    assert [due[id] for id in client.started] == sorted(due.values())
    assert (client.calls, client.most_at_once) == (600, 50)
    assert all(row.started_at is not None for row in rows)
    assert len({row.started_at for row in rows}) == 3, "each group has its own mark"
    assert len(count.statements) <= 14, count.statements


async def test_server_that_goes_away_is_not_asked_for_the_rest(real_installation: Installation) -> None:
    """Guarantee 6, without hammering: what was started is marked, the calls in flight fail, and no others are made."""
    await _ingest_triggers(real_installation, 200)
    client = _FakeClient(fails_from=101)
    outbox = _outbox(real_installation, client)
    with capture_logs() as logs:
        assert await outbox.flush() == 100
    assert client.calls <= 150
    assert sum(row.started_at is not None for row in await _rows(real_installation)) == 100
    assert [line["event"] for line in logs] == ["outbox_call_failed"], "once, not per row"
    calls = client.calls
    with pytest.raises(RPCError):
        await outbox.flush()
    assert client.calls <= calls + 50


async def test_row_that_is_refused_does_not_keep_others_back(real_installation: Installation) -> None:
    """A refusal that may concern one row only: all the others of the page are tried."""
    await _ingest_triggers(real_installation, 100)
    client = _FakeClient(fails_from=100, status=RPCStatusCode.INVALID_ARGUMENT)
    assert await _outbox(real_installation, client).flush() == 99


async def test_sweep_leaves_new_rows_to_the_process_that_added_them(real_installation: Installation) -> None:
    """An API and a worker do not both start everything; what a process that died has left is started by a sweep."""
    client = _FakeClient()
    outbox = Outbox(real_installation.database, "default", _source(client), sweep_seconds=0.2)
    running = asyncio.create_task(outbox.run(stopped := asyncio.Event()))
    await _ingest_triggers(real_installation, 3)
    assert await outbox.flush(min_age=timedelta(hours=1)) == 0
    await until(lambda: _are_started(real_installation, 3), "the start by a sweep")
    await real_installation.ingest(push("last", 59, user="last"))
    outbox.nudge()
    await until(lambda: _are_started(real_installation, 4), "the start by a nudge")
    stopped.set()
    await running
    assert client.calls == 4


async def _are_started(installation: Installation, count: int) -> bool:
    return sum(row.started_at is not None for row in await _rows(installation)) == count
