"""Migration 0020 carries decisions over: on PostgreSQL they become a partition that is dropped like any other day."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select

from connector.store.engine.database import database_now
from connector.store.engine.migrate import migrate
from connector.store.engine.partitions import DAILY_TABLES, list_partitions
from connector.store.tables import decisions
from tests.support.databases import open_database_at
from tests.support.old_rows import decided


async def test_decisions_are_carried_over(tmp_path: Path, postgresql_server: Any) -> None:
    """Their numbers go on, also after the old ones, and today's have a place."""
    name = postgresql_server.create()
    for url in (f"sqlite:///{tmp_path / 'connector.db'}", postgresql_server.url(name)):
        async with open_database_at("0019", url) as database:
            async with database.write("default") as tx:
                now = await database_now(tx)
                old = [{"workspace": "default", **decided(now, days, key=str(days))} for days in (100, 5)]
                await tx.execute(insert(decisions), old)
            await migrate(database)
            async with database.write("default") as tx:
                await tx.execute(insert(decisions), [{"workspace": "default", **decided(now, 0, key="new")}])
                found = await tx.execute(select(decisions.c.key, decisions.c.seq).order_by(decisions.c.seq))
                assert [tuple(row) for row in found] == [("100", 1), ("5", 2), ("new", 3)]
                if tx.dialect == "postgresql":
                    days = await list_partitions(tx, DAILY_TABLES[1])
                    assert (now - timedelta(days=5)).date() == min(days)
    postgresql_server.drop(name)
