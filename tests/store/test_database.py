"""The database: transactions, locks, snapshots, and errors when it cannot be reached."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text
from sqlalchemy.exc import DBAPIError

from connector.store.engine.database import Database, Lock, StoreUnavailable, database_now
from connector.store.engine.transaction import Transaction
from connector.store.tables import receipts, sequences
from connector.store.users.log import draw_arrival_numbers
from tests.support.polling import until
from tests.support.repository import ROOT

W = "default"


async def _put(tx: Transaction, campaign: str = "welcome") -> None:
    row = {"workspace": W, "campaign": campaign, "user_key": "k", "key": "", "received_at": await database_now(tx)}
    await tx.execute(insert(receipts), [row])


async def _count(database: Database) -> int:
    async with database.read(W) as tx:
        return (await tx.execute(select(func.count()).select_from(receipts))).scalar_one()


@pytest.fixture
async def second(database_url: str) -> AsyncIterator[Database]:
    """The same database, opened a second time as by another process."""
    opened = Database.open(database_url)
    yield opened
    await opened.close()


async def test_a_write_is_kept(database: Database) -> None:
    """A write is committed at the end of its block."""
    async with database.write(W) as tx:
        await _put(tx)
    assert await _count(database) == 1


async def test_an_order_overtakes_the_writers_that_wait(sqlite_database: Database) -> None:
    """On SQLite, where one writes at a time, an order waits for the present transaction, not for those in the queue."""
    turns: list[str] = []

    async def write(lock: Lock) -> None:
        async with sqlite_database.write(W, lock=lock):
            turns.append(lock)

    async with sqlite_database.write(W):
        writers = [asyncio.create_task(write(lock)) for lock in ("shared", "shared", "shared", "exclusive")]
        for _ in range(10):
            await asyncio.sleep(0)
    await asyncio.gather(*writers)
    assert turns == ["exclusive", "shared", "shared", "shared"]


async def test_an_error_rolls_back(database: Database) -> None:
    """Nothing of a failed transaction is kept."""

    async def fail() -> None:
        async with database.write(W) as tx:
            await _put(tx)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        await fail()
    assert await _count(database) == 0


async def test_a_cancelled_write_rolls_back(database: Database) -> None:
    """A cancelled task keeps nothing, neither its rows nor its lock."""
    inside = asyncio.Event()

    async def write() -> None:
        async with database.write(W, lock="exclusive") as tx:
            await _put(tx)
            inside.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(5), database.write(W, lock="exclusive") as tx:
        await _put(tx)
    assert await _count(database) == 1


async def test_a_write_cancelled_while_it_waits_for_another_process_leaves_no_lock(
    database: Database, second: Database
) -> None:
    """A transaction that begins after the cancellation blocks nobody."""
    async with database.write(W, lock="exclusive"):
        waiting = asyncio.create_task(_write_once(second))
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(10):
        await _write_once(database)
        await _write_once(second, "other")
    assert await _count(database) == 2


async def _write_once(database: Database, campaign: str = "welcome") -> None:
    async with database.write(W, lock="exclusive") as tx:
        await _put(tx, campaign)


async def test_a_read_is_one_snapshot(database: Database) -> None:
    """Every statement of a read sees the same moment, whatever is committed meanwhile."""
    async with database.read(W) as tx:
        before = (await tx.execute(select(func.count()).select_from(receipts))).scalar_one()
        await _write_once(database)
        assert (await tx.execute(select(func.count()).select_from(receipts))).scalar_one() == before
    assert await _count(database) == before + 1


async def test_a_read_cannot_write(database: Database) -> None:
    """Writing in a snapshot is an error on both databases."""
    with pytest.raises((DBAPIError, StoreUnavailable)):
        async with database.read(W) as tx:
            await _put(tx)


async def test_the_clock_is_aware_utc_and_goes_on_within_a_transaction(database: Database) -> None:
    """The clock gives the present time, not that of the transaction's begin."""
    async with database.write(W) as tx, asyncio.timeout(5):
        first = await database_now(tx)
        while (later := await database_now(tx)) == first:
            pass
    assert first.tzinfo is UTC
    assert timedelta(0) < later - first < timedelta(seconds=5)


async def test_arrival_numbers_grow_and_are_never_given_twice(database: Database) -> None:
    """Concurrent batches get different numbers."""

    async def take(count: int) -> list[int]:
        async with database.write(W) as tx:
            return (await draw_arrival_numbers(tx, count))[0]

    batches = await asyncio.gather(*(take(count) for count in (1, 7, 100, 3)))
    numbers = [number for batch in batches for number in batch]
    assert len(set(numbers)) == len(numbers) == 111
    assert all(batch == sorted(batch) for batch in batches)
    assert (await take(1))[0] > max(numbers)


async def test_statements_are_counted(database: Database) -> None:
    """Counting sees the statements of its block and no others."""
    with database.count_statements() as count:
        await _write_once(database)
        await _count(database)
    await _write_once(database, "other")
    found = [statement for statement in count.statements if "receipts" in statement]
    assert [statement.split()[0] for statement in found] == ["INSERT", "SELECT"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://host/name"])
def test_what_cannot_be_opened_says_what_would_be_right(url: str) -> None:
    """Only SQLite files and PostgreSQL are databases of ours."""
    with pytest.raises(ValueError, match="sqlite:///FILE"):
        Database.open(url)


async def test_sqlite_is_durable(sqlite_database: Database) -> None:
    """Accepted means durable: WAL with a full sync at every commit (guarantee 5)."""
    async with sqlite_database.write(W) as tx:
        found = [(await tx.execute(text(f"PRAGMA {name}"))).scalar_one() for name in ("journal_mode", "synchronous")]
    assert found == ["wal", 2]


async def test_sqlite_takes_writers_of_several_processes(sqlite_url: str, sqlite_database: Database) -> None:
    """Processes that share the file wait for each other; none fails and none loses a write."""
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _RAISER, sqlite_url, cwd=ROOT) for _ in range(3)
    ]
    assert [await process.wait() for process in processes] == [0, 0, 0]
    async with sqlite_database.read(W) as tx:
        assert (await tx.execute(select(sequences.c.last))).scalar_one() == 3 * 25


_RAISER = """
import asyncio, sys
from connector.store.engine.database import Database
from connector.store.users.log import draw_arrival_numbers

async def main():
    database = Database.open(sys.argv[1])
    for _ in range(25):
        async with database.write("default") as tx:
            await draw_arrival_numbers(tx, 1)
    await database.close()

asyncio.run(main())
"""


async def test_sqlite_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    """A file that cannot be opened raises StoreUnavailable."""
    database = Database.open(f"sqlite:///{tmp_path}")
    with pytest.raises(StoreUnavailable):
        async with database.write(W):
            pass
    await database.close()


async def test_ingests_share_the_lock_and_an_order_waits_for_them(postgresql_database: Database) -> None:
    """Guarantee 1: an exclusive holder runs alone, shared ones run side by side."""
    database, entered = postgresql_database, asyncio.Event()

    async def order() -> None:
        async with database.write(W, lock="exclusive"):
            entered.set()

    async with AsyncExitStack() as intakes:
        await intakes.enter_async_context(database.write(W))
        await intakes.enter_async_context(database.write(W))
        waiting = asyncio.create_task(order())
        await _until_somebody_waits(database)
        assert not entered.is_set()
    await waiting
    assert entered.is_set()


async def test_an_ingest_waits_for_an_order(postgresql_database: Database) -> None:
    """Guarantee 1: nothing is ingested while an order runs; what is ingested later sees it."""
    database = postgresql_database

    async def intake() -> int:
        async with database.write(W) as tx:
            return (await tx.execute(select(func.count()).select_from(receipts))).scalar_one()

    async with database.write(W, lock="exclusive") as tx:
        waiting = asyncio.create_task(intake())
        await _until_somebody_waits(database)
        await _put(tx)
    assert await waiting == 1


async def test_workspaces_do_not_wait_for_each_other(postgresql_database: Database) -> None:
    """Each workspace has its own lock."""
    database = postgresql_database
    async with asyncio.timeout(5), database.write("one", lock="exclusive"), database.write("two", lock="exclusive"):
        pass


async def _until_somebody_waits(database: Database) -> None:
    waiters = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")

    async def somebody_waits() -> bool:
        async with database.read(W) as tx:
            return bool((await tx.execute(waiters)).scalar_one())

    await until(somebody_waits, "a transaction that waits")


async def test_postgresql_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    """A server that does not answer raises StoreUnavailable, for reading and for writing."""
    database = Database.open(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(StoreUnavailable):
        async with database.write(W):
            pass
    with pytest.raises(StoreUnavailable):
        async with database.read(W):
            pass
    await database.close()


async def test_a_connection_lost_in_a_transaction_is_unavailable_and_the_next_one_works(
    postgresql_database: Database,
) -> None:
    """Nothing of the transaction is kept, and the pool recovers by itself."""

    async def lose() -> None:
        async with postgresql_database.write(W) as tx:
            await _put(tx)
            own = (await tx.execute(select(func.pg_backend_pid()))).scalar_one()
            async with postgresql_database.write("other") as killer:
                await killer.execute(select(func.pg_terminate_backend(own)))
            await _put(tx, "other")

    with pytest.raises(StoreUnavailable):
        await lose()
    assert await _count(postgresql_database) == 0


async def test_postgresql_shows_who_is_connected(postgresql_database: Database) -> None:
    """Operators find our connections in pg_stat_activity by the application's name."""
    async with postgresql_database.read(W) as tx:
        name = (await tx.execute(select(func.current_setting("application_name")))).scalar_one()
    assert name == "campaign-connector"
