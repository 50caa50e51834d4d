"""PostgreSQL that does not answer: connections whose packets are lost, and a server that is suspended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from connector.store.engine.database import Database
from connector.store.engine.outages import Outage, StoreUnavailable
from tests.support.api_process import api_process, logged_ids
from tests.support.databases import PostgreSQL
from tests.support.events import accepts, post_events
from tests.support.faulty_proxy import FaultyProxy, run_proxy
from tests.support.polling import until

pytestmark = pytest.mark.paired

DEADLINE = 1.0
BOUND = 4.0
"""Far more than one deadline of a second with its grace of another; far less than two with what psycopg would add."""


def url_through(proxy: FaultyProxy) -> str:
    """Return the URL of the database behind the proxy."""
    return f"postgresql+psycopg://connector@127.0.0.1:{proxy.port}/connector"


@asynccontextmanager
async def behind_proxy(server: PostgreSQL) -> AsyncIterator[tuple[FaultyProxy, Database]]:
    """Open the database through a proxy, with a deadline of a second."""
    async with run_proxy(server.socket) as proxy:
        database = Database.open(url_through(proxy), seconds=DEADLINE)
        yield proxy, database
        await database.close()


async def outcome(work: Awaitable[object]) -> tuple[object, float]:
    """Return the result or the outage, and the seconds that it took."""
    began = time.monotonic()
    try:
        result: object = await work
    except StoreUnavailable as error:
        result = error.outage
    return result, time.monotonic() - began


async def write(database: Database, seconds_in_server: float = 0) -> str:
    """Write nothing, in a transaction that takes so long on the server."""
    async with database.write("default") as tx:
        await tx.execute(select(func.pg_sleep(seconds_in_server)))
    return "done"


@pytest.mark.parametrize("callers", [1, 20])
async def test_silent_connections_cost_their_callers_one_deadline(server: PostgreSQL, callers: int) -> None:
    """Each caller of a silent connection waits for one deadline; later callers get a new connection."""
    async with behind_proxy(server) as (proxy, database):
        await asyncio.gather(*(write(database, 0.3) for _ in range(callers)))
        proxy.swallow()
        ended = await asyncio.gather(*(outcome(write(database)) for _ in range(callers)))
        assert Outage.SILENT in {result for result, _ in ended} <= {Outage.SILENT, "done"}  # the pool keeps some of 20
        assert max(seconds for _, seconds in ended) < BOUND
        ended = await asyncio.gather(*(outcome(write(database)) for _ in range(callers)))
        assert {result for result, _ in ended} == {"done"}


async def test_idle_connections_that_fell_silent_fail_no_caller(
    server: PostgreSQL, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was idle for some time is checked first; if it is silent, all idle ones are replaced."""
    monkeypatch.setattr("connector.store.engine.postgresql_connection._PING_AFTER_SECONDS", 0.0)
    async with behind_proxy(server) as (proxy, database):
        await asyncio.gather(*(write(database, 0.3) for _ in range(3)))
        proxy.swallow()
        ended = [await outcome(write(database)) for _ in range(3)]
        assert [result for result, _ in ended] == ["done"] * 3
        assert sum(seconds for _, seconds in ended) < BOUND


async def test_a_cancelled_caller_does_not_wait_for_a_silent_server(server: PostgreSQL) -> None:
    """Cancelling ends a statement at once, without a request to a server that may not answer."""
    async with behind_proxy(server) as (proxy, database):
        writing = asyncio.create_task(write(database, 60))
        await until(lambda: server.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"))
        proxy.swallow()
        writing.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert time.monotonic() - began < DEADLINE / 2


async def test_a_slow_statement_is_not_a_silent_server(server: PostgreSQL) -> None:
    """The server ends a statement at the deadline, and the connection stays; a longer deadline lets it end."""
    async with behind_proxy(server) as (proxy, database):
        result, seconds = await outcome(write(database, 30))
        assert (result, seconds < BOUND) == (Outage.BUSY, True)
        async with database.write("default", seconds=10) as tx:
            await tx.execute(select(func.pg_sleep(2.5)))
        assert proxy.accepted == 1


async def test_a_process_that_stands_still_holds_no_lock_for_ever(server: PostgreSQL) -> None:
    """The server ends a transaction that is idle for a whole deadline, and the next caller gets its locks."""
    other = Database.open(server.url("connector"), seconds=2 * DEADLINE)
    async with behind_proxy(server) as (proxy, database):

        async def stand_still() -> None:
            async with database.write("default", lock="exclusive"):
                proxy.swallow()
                assert (await outcome(write(other)))[0] == "done"

        with pytest.raises(StoreUnavailable):
            await stand_still()
    await other.close()


async def test_a_server_that_stands_still(server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callers get 503 in time while PostgreSQL is suspended, `/readyz` says why, and nothing acknowledged is lost."""
    monkeypatch.setenv("CONNECTOR_DATABASE_TIMEOUT", f"PT{DEADLINE}S")
    log = tmp_path / "api.log"
    async with api_process(server.url("connector"), log) as api:
        answers = {name: await post_events(api.client, name) for name in ("before-1", "before-2")}
        server.suspend()
        began = time.monotonic()
        during = [f"during-{number}" for number in range(12)]
        answers |= dict(
            zip(during, await asyncio.gather(*(post_events(api.client, name) for name in during)), strict=True)
        )
        assert time.monotonic() - began < 3 * BOUND
        assert {answers[name].status_code for name in during} == {503}
        assert all(answers[name].headers["Retry-After"].isdigit() for name in during)
        ready = await api.client.get("/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "silent")
        server.resume()
        await until(lambda: accepts(api.client, "after"))
        assert (await api.client.get("/readyz")).json()["database"] == "ok"
    accepted = {name for name, answer in answers.items() if answer.status_code == 200}
    assert accepted >= {"before-1", "before-2"}
    assert accepted <= set(await logged_ids(server.url("connector")))
    assert log.read_text().count("database_unavailable") == 1


async def test_an_api_over_silent_connections(
    server: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests over a silent connection get 503 in time; later requests get a new connection."""
    monkeypatch.setenv("CONNECTOR_DATABASE_TIMEOUT", f"PT{DEADLINE}S")
    names = {when: [f"{when}-{number}" for number in range(12)] for when in ("before", "during", "after")}
    accepted: set[str] = set()
    async with run_proxy(server.socket) as proxy, api_process(url_through(proxy), tmp_path / "api.log") as api:
        for when, batch in names.items():
            if when == "during":
                proxy.swallow()
            began = time.monotonic()
            answers = await asyncio.gather(*(post_events(api.client, name) for name in batch))
            assert time.monotonic() - began < 2 * BOUND
            statuses = {answer.status_code for answer in answers}
            assert statuses == {200} if when != "during" else 503 in statuses <= {200, 503}
            accepted |= {name for name, answer in zip(batch, answers, strict=True) if answer.status_code == 200}
        assert (await api.client.get("/readyz")).json()["database"] == "ok"
    assert accepted <= set(await logged_ids(server.url("connector")))
