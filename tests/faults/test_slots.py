"""PostgreSQL without a free slot for another connection: a temporary fault for the API and for a worker."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, select
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from connector.store.engine.postgresql_connection import BoundedConnection
from tests.faults.conftest import StartServer
from tests.support.api_process import ApiProcess, api_process, logged_ids
from tests.support.builders import ORIGINAL
from tests.support.databases import PostgreSQL, migrate_database, open_database
from tests.support.events import accepts, post_events
from tests.support.polling import until
from tests.support.workspace import AT_ONCE, Workspace, settings_for, working

pytestmark = pytest.mark.paired

OURS = "application_name = 'campaign-connector'"


@pytest.fixture
def small_server(start_server: StartServer) -> PostgreSQL:
    """A server for 14 connections."""
    started = start_server("max_connections=14")
    migrate_database(started.url(started.create("connector")))
    return started


def take_all_slots(server: PostgreSQL) -> ExitStack:
    """Take every slot, also those of the connector's connections, until the stack is closed."""
    taken = ExitStack()
    while True:
        try:
            connection = taken.enter_context(server.connect())
        except psycopg.OperationalError:
            return taken
        connection.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS}")


async def test_an_api_without_slots(small_server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The API starts, answers 503 and says why; it serves as soon as there are slots."""
    monkeypatch.setenv("CONNECTOR_DATABASE_TIMEOUT", "1 second")
    log = tmp_path / "api.log"
    with take_all_slots(small_server) as taken:
        async with api_process(small_server.url("connector"), log) as api:
            for name in ("first", "second"):
                answer = await post_events(api.client, name)
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "store_unavailable")
            ready = await api.client.get("/readyz")
            assert (ready.status_code, ready.json()["database"]) == (503, "no_slots")
            assert "max_connections" in ready.json()["note"]
            taken.close()
            await until(lambda: accepts(api.client, "after"))
            assert (await api.client.get("/readyz")).json()["database"] == "ok"
    assert set(await logged_ids(small_server.url("connector"))) == {"after"}
    assert log.read_text().count('"database_unavailable"') == 1


async def test_several_processes_that_want_more_slots_than_there_are(small_server: PostgreSQL, tmp_path: Path) -> None:
    """Three slots for two processes: requests wait for one, or get 503 and are repeated; all are stored once."""
    url, names = small_server.url("connector"), [f"event-{number}" for number in range(90)]
    async with AsyncExitStack() as stack:
        opened = (stack.enter_async_context(api_process(url, tmp_path / f"{number}.log")) for number in range(2))
        apis: list[ApiProcess] = list(await asyncio.gather(*opened))

        for _ in range(11):
            stack.enter_context(small_server.connect())

        async def report(number: int, name: str) -> set[int]:
            statuses = set()
            while 200 not in statuses:
                statuses.add((await post_events(apis[number % 2].client, name)).status_code)
            return statuses

        statuses = await asyncio.gather(*(report(number, name) for number, name in enumerate(names)))
        assert not any(api.process.returncode for api in apis)
    assert set().union(*statuses) <= {200, 503}
    assert await logged_ids(url) == Counter(names)


async def test_unused_connections_leave_their_slots_to_other_processes(
    small_server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pool that has taken every slot gives them up when it is idle, and its next caller notices nothing."""
    monkeypatch.setattr(BoundedConnection, "idle_seconds", 3.0)
    url = small_server.url("connector")
    greedy, other = Database.open(url, max_connections=28), Database.open(url)
    taken = await asyncio.gather(*(sleep_in(greedy, 1) for _ in range(14)))
    assert await sleep_in(other, 0) not in taken
    again = await asyncio.gather(*(sleep_in(greedy, 0) for _ in range(3)))
    assert len(again) == 3
    await asyncio.gather(greedy.close(), other.close())


async def sleep_in(database: Database, seconds: float) -> int:
    """Hold a connection for so long; return the process id of its backend."""
    async with database.write("default") as tx:
        await tx.execute(select(func.pg_sleep(seconds)))
        pid: int = (await tx.execute(select(func.pg_backend_pid()))).scalar_one()
    return pid


@pytest.fixture
async def workspace(environment: WorkflowEnvironment, small_server: PostgreSQL) -> AsyncIterator[Workspace]:
    """A workspace whose own connections are not among the connector's."""
    async with open_database(f"{small_server.url('connector')}&application_name=test") as database:
        with environment.with_time_skipping_disabled():
            yield Workspace(database, environment)


async def test_a_worker_without_slots(
    workspace: Workspace, small_server: PostgreSQL, environment: WorkflowEnvironment, tmp_path: Path
) -> None:
    """The worker starts, and continues from where it was interrupted as soon as there are slots."""
    settings = settings_for(workspace.name, small_server.url("connector"), tmp_path)
    settings = settings.model_copy(update={"database_timeout": timedelta(seconds=1)})
    async with workspace.database.read(workspace.name):  # opens the connection that stays while all slots are taken
        pass
    taken = take_all_slots(small_server)
    async with working(environment, settings):
        await asyncio.sleep(3)  # longer than a worker waits for a connection
        taken.close()
        await workspace.open(ORIGINAL, AT_ONCE)
        with take_all_slots(small_server):
            await workspace.receive_push()
            await asyncio.sleep(3)
            assert not (await workspace.becomes("at-once", "waiting", started=False)).started_at
        await workspace.becomes("at-once", "sent")
