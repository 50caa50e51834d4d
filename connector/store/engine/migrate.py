"""Create and upgrade the tables, and on PostgreSQL the log's day partitions. SQLite keeps the log in one table."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError

from connector.store.engine.database import LONG_SECONDS, Database
from connector.store.engine.revision import WrongTables, find_revision_fault, read_oldest_program, read_revisions
from connector.store.engine.transaction import Transaction, database_now

_SCRIPTS = Path(__file__).parents[1] / "migrations"
_MIGRATIONS = "/migrations"  # locks that are no workspace's: ids begin with a letter or a digit
_PARTITIONS = "/partitions"
_MIGRATION_SECONDS = 24 * 3600.0


async def migrate(database: Database) -> None:
    """Create or upgrade the tables, in one transaction. Repeated, it changes nothing; two at once wait for each other.

    Raises:
        StoreUnavailable: the database cannot be reached, or its user may not create tables.
        WrongTables: a later version of the program made the tables, or another program did. Nothing is changed.
    """
    async with database.write(_MIGRATIONS, lock="exclusive", seconds=_MIGRATION_SECONDS) as tx:
        revisions = await read_revisions(tx)
        fault = find_revision_fault(revisions, await read_oldest_program(tx, revisions))
        if fault is not None:
            if not fault.is_for_setup:
                raise WrongTables(fault.sentence)
            await tx.connection.run_sync(_upgrade)
        today = (await database_now(tx)).date()
    await ensure_partitions(database, today)


async def ensure_partitions(database: Database, today: date, *, ahead_days: int = 7) -> None:
    """Create the log's partitions of `today` (a UTC date) and of the days ahead that are missing.

    A day that has rows in the default partition stays there: nothing fails, nothing is moved.
    """
    if database.dialect == "sqlite":
        return
    async with database.write(_PARTITIONS, lock="exclusive", seconds=LONG_SECONDS) as tx:
        for day in (today + timedelta(days=ahead) for ahead in range(ahead_days + 1)):
            await _ensure_partition(tx, day)


async def _ensure_partition(tx: Transaction, day: date) -> None:
    name = f"interactions_{day:%Y%m%d}"
    # Checked first: creating a partition locks the whole log, if only for a moment.
    if (await tx.execute(select(func.to_regclass(name).is_not(None)))).scalar_one():
        return
    bounds = f"FROM ('{day}') TO ('{day + timedelta(days=1)}')"
    try:
        async with tx.connection.begin_nested():
            await tx.execute(text(f"CREATE TABLE {name} PARTITION OF interactions FOR VALUES {bounds}"))
    except IntegrityError:
        return


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
