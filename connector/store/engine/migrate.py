"""Bringing a database to the newest version of the tables."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from connector.store.engine.database import Database, database_now
from connector.store.engine.partitions import ensure_partitions

_SCRIPTS = Path(__file__).parents[1] / "migrations"
_LOCK = "/migrations"  # no workspace: ids begin with a letter or a digit


async def migrate(database: Database) -> None:
    """Make or upgrade the tables, in one transaction. Run again it changes nothing; two at once wait for each other.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    async with database.write(_LOCK, lock="exclusive") as tx:
        await tx.connection.run_sync(_upgrade)
        today = (await database_now(tx)).date()
    await ensure_partitions(database, today)


async def is_migrated(database: Database) -> bool:
    """Whether the tables are there, and are those of this version. Raises StoreUnavailable."""
    async with database.read(_LOCK) as tx:
        there = await tx.connection.run_sync(lambda c: MigrationContext.configure(c).get_current_heads())
    return set(there) == set(ScriptDirectory.from_config(_config()).get_heads())


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    return config
