"""The revision of a database's tables, read without alembic, whose import takes longer than a short command."""

from __future__ import annotations

from sqlalchemy import column, inspect, select, table

from connector.store.engine.database import Database

NEWEST_REVISION = "0017"
"""The newest script in `connector/store/migrations/versions`."""

_VERSIONS = table("alembic_version", column("version_num"))


async def is_migrated(database: Database) -> bool:
    """Return whether the tables exist and are those of this version. Raises StoreUnavailable."""
    async with database.read("/migrations") as tx:
        if not await tx.connection.run_sync(lambda connection: inspect(connection).has_table(_VERSIONS.name)):
            return False
        revisions = (await tx.execute(select(_VERSIONS.c.version_num))).scalars().all()
    return revisions == [NEWEST_REVISION]
