"""Create and upgrade the tables, and on PostgreSQL the partitions of the days ahead."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from connector.store.engine.database import Database
from connector.store.engine.partitions import ensure_partitions
from connector.store.engine.revision import (
    NEWEST_REVISION,
    WrongTables,
    find_revision_fault,
    read_oldest_program,
    read_revisions,
)
from connector.store.engine.transaction import database_now

_SCRIPTS = Path(__file__).parents[1] / "migrations"
_MIGRATIONS = "/migrations"  # locks that are no workspace's: ids begin with a letter or a digit
_MIGRATION_SECONDS = 24 * 3600.0


async def migrate(database: Database) -> str:
    """Create or upgrade the tables, in one transaction. Repeated, it changes nothing; two at once wait for each other.

    Returns:
        The revision of the tables; a later one than this program's if a later version made them and this one can work
        with them.

    Raises:
        StoreUnavailable: the database cannot be reached, or its user may not create tables.
        WrongTables: a later version of the program made the tables, or another program did. Nothing is changed.
    """
    async with database.write(_MIGRATIONS, lock="exclusive", seconds=_MIGRATION_SECONDS) as tx:
        revisions = await read_revisions(tx)
        fault = find_revision_fault(revisions, await read_oldest_program(tx, revisions))
        revision = revisions[0] if revisions and fault is None else NEWEST_REVISION
        if fault is not None:
            if not fault.is_for_setup:
                raise WrongTables(fault.sentence)
            await tx.connection.run_sync(_upgrade)
        today = (await database_now(tx)).date()
    await ensure_partitions(database, today)
    return revision


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
