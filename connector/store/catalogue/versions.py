"""The catalogue's version: one number a workspace, raised by everything that changes what is published or drafted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.model.campaigns import Workspace
from connector.rules.publishing.drafting import written
from connector.store.engine.clock import clock, database_now
from connector.store.tables import catalogue


@dataclass(frozen=True)
class Head:
    """The catalogue's version, and when it last changed (UTC). Version 0: nothing was ever saved.

    `read_at` is the database's clock as this was read, under whatever lock was held then.
    """

    version: int
    changed_at: datetime | None
    read_at: datetime


async def read_head(c: AsyncConnection, workspace: str) -> Head:
    """The version that holds at this moment."""
    table = catalogue.c
    head = select(table.version, table.changed_at, clock(c).label("read_at")).where(table.workspace == workspace)
    row = (await c.execute(head)).one_or_none()
    return Head(0, None, await database_now(c)) if row is None else Head(row.version, row.changed_at, row.read_at)


async def lock_head(c: AsyncConnection, workspace: str, now: datetime) -> Row[Any]:
    """The workspace's row of the catalogue, made at version 0 where there is none, locked until the transaction ends.

    Whoever writes drafts holds it, so that two who save at once number their revisions one after the other.
    """
    first = written(Workspace(workspace=workspace))
    build = (postgresql if c.dialect.name == "postgresql" else sqlite).insert(catalogue)
    row = build.values(workspace=workspace, version=0, changed_at=now, definition=first)
    await c.execute(row.on_conflict_do_nothing())
    locked = select(catalogue).where(catalogue.c.workspace == workspace).with_for_update()
    return (await c.execute(locked)).one()


async def raise_version(c: AsyncConnection, workspace: str, expected: int, changed_at: datetime, **values: Any) -> bool:
    """Raise the version by one if it is `expected` (compare and set); says whether it was."""
    raised = (
        update(catalogue)
        .where(catalogue.c.workspace == workspace, catalogue.c.version == expected)
        .values(version=expected + 1, changed_at=changed_at, **values)
    )
    return (await c.execute(raised)).rowcount == 1
