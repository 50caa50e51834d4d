"""An intake that is killed at any statement and retried leaves the rows that it leaves undisturbed (guarantee 5)."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, func, select

from connector.store.engine.database import Database, StoreUnavailable
from tests.support.builders import ORIGINAL
from tests.support.installation import Installation
from tests.support.statements import BEFORE, at_statement, batch_of, listening_to, new_of
from tests.support.user_histories import FOLLOW_ONS, as_items, load_written, new_user

Left = list[list[list[dict[str, Any]]]]


class Killed(Exception):
    """The process is no more."""


def _die(*_: object) -> None:
    raise Killed


def _cancel(_: Connection) -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()


async def _lived(installation: Installation) -> str:
    """A user of whom something is known already."""
    user = new_user()
    await installation.ingest(*as_items(user, BEFORE))
    return user


async def _left(installation: Installation, user: str) -> Left:
    """What there is of the user, and of the one who is new in the batch."""
    return [await load_written(installation.database, name) for name in (user, new_of(user))]


async def _undisturbed(database: Database) -> tuple[int, Left]:
    """How many statements the batch takes, and what it leaves."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, *FOLLOW_ONS)
    user = await _lived(installation)
    with at_statement(0, _die) as said:
        await Installation(database).ingest(*batch_of(user))
    left = await _left(installation, user)
    assert {row["state"] for row in left[0][0]} == {"waiting", "excepted", "dropped"}
    assert {row["reason"] for row in left[0][1]} >= {"already_waiting", "superseded"}
    return len(said), left


@pytest.mark.parametrize("act", [_die, _cancel])
async def test_killed_at_any_statement_and_retried(database: Database, act: Callable[[Any], None]) -> None:
    """Guarantee 5: nothing of what was not answered stays, so that trying again gives the same rows."""
    count, expected = await _undisturbed(database)
    installation = Installation(database)
    for number in range(1, count + 1):
        user = await _lived(installation)
        before = await _left(installation, user)
        with at_statement(number, act):
            disturbed = asyncio.create_task(Installation(database).ingest(*batch_of(user)))
            with pytest.raises((Killed, asyncio.CancelledError, AssertionError)):  # psycopg, cancelled in a pipeline
                await disturbed
        assert await _left(installation, user) == before, number
        await Installation(database).ingest(*batch_of(user))
        assert await _left(installation, user) == expected, number


async def test_killed_at_its_commit_and_retried(database: Database) -> None:
    """Guarantee 5: the same if the process ends just before the commit."""
    _, expected = await _undisturbed(database)
    installation = Installation(database)
    user = await _lived(installation)
    with listening_to("commit", _die), pytest.raises(Killed):
        await installation.ingest(*batch_of(user))
    await Installation(database).ingest(*batch_of(user))
    assert await _left(installation, user) == expected


async def test_answer_lost_and_retried(database: Database) -> None:
    """Guarantee 5, M6: committed, but the caller never heard: all are duplicates, and the rows are the same."""
    _, expected = await _undisturbed(database)
    user = await _lived(Installation(database))
    await Installation(database).ingest(*batch_of(user))
    assert {result.status for result in await Installation(database).ingest(*batch_of(user))} == {"duplicate"}
    assert await _left(Installation(database), user) == expected


async def test_connection_ended_at_any_statement_and_retried(
    postgresql_database: Database, postgresql_url: str
) -> None:
    """Guarantee 5: the server ends the connection in the middle; the caller must try again."""
    count, expected = await _undisturbed(postgresql_database)
    other = create_engine(postgresql_url)
    installation = Installation(postgresql_database)

    def end(connection: Connection) -> None:
        pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
        with other.connect() as c:
            assert c.execute(select(func.pg_terminate_backend(pid, 5000))).scalar_one()

    for number in range(1, count + 1):
        user = await _lived(installation)
        with at_statement(number, end), pytest.raises(StoreUnavailable):
            await Installation(postgresql_database).ingest(*batch_of(user))
        await installation.ingest(*batch_of(user))
        assert await _left(installation, user) == expected, number
    other.dispose()


async def test_process_killed_and_retried_by_another(database: Database, database_url: str) -> None:
    """Guarantee 5: a process that is killed by the system before its last statement."""
    count, expected = await _undisturbed(database)
    user = await _lived(Installation(database))
    before = await _left(Installation(database), user)
    words = (sys.executable, "-m", "tests.support.concurrent_process", "die", database_url, user, str(count))
    process = await asyncio.create_subprocess_exec(*words)
    assert await process.wait() == -signal.SIGKILL
    assert await _left(Installation(database), user) == before
    await Installation(database).ingest(*batch_of(user))
    assert await _left(Installation(database), user) == expected
