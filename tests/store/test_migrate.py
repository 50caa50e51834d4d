"""The migrations create the tables that the code defines, on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text

from connector.store.engine.database import Database
from connector.store.engine.migrate import ensure_partitions, migrate
from connector.store.engine.revision import NEWEST_REVISION, find_revision_fault, load_revision_fault
from connector.store.tables import interactions, metadata
from tests.support.databases import open_database
from tests.support.repository import ROOT

SCRIPTS = ROOT / "connector" / "store" / "migrations"
_BEFORE_IDS_PER_USER = "0008"


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"include_object": _is_ours})
    return list(compare_metadata(context, metadata))


def _is_ours(_object: object, name: str | None, kind: str, *_: object) -> bool:
    return not (kind == "table" and name is not None and name.startswith(("interactions_", "decisions_")))


async def test_migrated_tables_are_those_of_the_metadata(database: Database) -> None:
    """Nothing is missing and nothing is left over."""
    async with database.read("default") as tx:
        assert await tx.connection.run_sync(_differences) == []


async def test_migrating_again_changes_nothing(database: Database) -> None:
    """`connector setup` can be run again."""
    await migrate(database)
    async with database.read("default") as tx:
        assert await tx.connection.run_sync(_differences) == []


async def test_two_who_migrate_at_once_wait_for_each_other(tmp_path: Path, postgresql_server: Any) -> None:
    """Every process may run `connector setup` when it starts; before, there is no revision."""
    name = postgresql_server.create()
    for url in (f"sqlite:///{tmp_path / 'new' / 'connector.db'}", postgresql_server.url(name)):
        databases = [Database.open(url) for _ in range(3)]
        assert await load_revision_fault(databases[0]) is not None
        await asyncio.gather(*(migrate(database) for database in databases))
        async with databases[0].read("default") as tx:
            assert await tx.connection.run_sync(_differences) == []
        assert await load_revision_fault(databases[0]) is None
        for database in databases:
            await database.close()
    postgresql_server.drop(name)


def test_the_newest_revision_is_the_newest_script() -> None:
    """Commands compare a database with a constant, because alembic takes longer to import than they run."""
    (newest,) = ScriptDirectory(str(SCRIPTS)).get_heads()
    assert newest == NEWEST_REVISION


@pytest.mark.parametrize(
    ("revision", "oldest_program", "problem"),
    [
        ("0020", None, None),
        ("0020", "0017", None),
        ("0021", "0017", None),
        ("0021", "0020", None),
        ("0021", "0021", "newer than this program"),
        ("0021", None, "newer than this program"),
        ("0019", "0017", "older than this program"),
    ],
)
def test_tables_that_a_program_can_work_with(revision: str, oldest_program: str | None, problem: str | None) -> None:
    """A program that knows 0020 works with later tables that name it or an earlier one, and never with earlier ones."""
    fault = find_revision_fault([revision], oldest_program, "0020")
    assert (problem in fault.sentence) if fault and problem else (fault, problem) == (None, None)


async def test_the_log_is_carried_over_to_its_new_key(tmp_path: Path, postgresql_server: Any) -> None:
    """M6: what was logged when ids were unique per day is still there, and further users may have the same ids."""
    name = postgresql_server.create()
    for url in (f"sqlite:///{tmp_path / 'connector.db'}", postgresql_server.url(name)):
        async with open_database(url) as database:
            await _migrate_to(database, _BEFORE_IDS_PER_USER)
            days = [date(2027, 2, 26), date(2027, 2, 27)]
            for day in days:
                await _log(database, day, "same")
            before = await _logged(database)
            await migrate(database)
            assert await _logged(database) == before
            assert len(before) == 2
            await _log(database, days[0], "same", user_key="another")
            async with database.read("default") as tx:
                assert await tx.connection.run_sync(_differences) == []
    postgresql_server.drop(name)


async def _migrate_to(database: Database, revision: str) -> None:
    def upgrade(connection: Connection) -> None:
        config = Config()
        config.set_main_option("script_location", str(SCRIPTS))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async with database.write("default", lock="exclusive") as tx:
        await tx.connection.run_sync(upgrade)


async def _logged(database: Database) -> Sequence[Any]:
    async with database.read("default") as tx:
        return (await tx.execute(select(interactions).order_by(interactions.c.day))).all()


async def test_days_ahead_have_partitions_of_their_own(postgresql_database: Database) -> None:
    """The log has partitions for today and the days ahead; a repeated call changes nothing."""
    today = date(2027, 2, 27)
    for _ in range(2):
        await ensure_partitions(postgresql_database, today, ahead_days=3)
    await _log(postgresql_database, today + timedelta(days=3), "new")
    assert await _partition_of(postgresql_database, "new") == "interactions_20270302"


async def test_a_day_that_has_rows_already_stays_where_they_are(postgresql_database: Database) -> None:
    """Nothing fails and nothing is lost if the default partition has rows of the day."""
    today = date(2027, 2, 27)
    await _log(postgresql_database, today, "old")
    await ensure_partitions(postgresql_database, today, ahead_days=1)
    await _log(postgresql_database, today, "second")
    await _log(postgresql_database, today + timedelta(days=1), "next")
    found = [await _partition_of(postgresql_database, name) for name in ("old", "second", "next")]
    assert found == ["interactions_other_days", "interactions_other_days", "interactions_20270228"]


async def _log(database: Database, day: date, name: str, *, user_key: str = "k") -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    item = {
        "workspace": "default",
        "day": day,
        "id": name,
        "seq": 1,
        "user_key": user_key,
        "kind": "event",
        "topic": "x",
    }
    times = {"topic": "x", "t": noon, "occurred_at": noon, "received_at": noon, "properties": {}}
    async with database.write("default") as tx:
        await tx.execute(insert(interactions), [item | times])


async def _partition_of(database: Database, name: str) -> str:
    async with database.read("default") as tx:
        found = text("SELECT tableoid::regclass::text FROM interactions WHERE id = :name")
        return str((await tx.execute(found, {"name": name})).scalar_one())
