"""The catalogue's version: one number a workspace, raised by everything that changes what is published or drafted."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects import postgresql, sqlite

from connector.rules.model.campaigns import Workspace
from connector.rules.publishing.drafting import as_written
from connector.store.engine.transaction import Head, Transaction, clock, database_now
from connector.store.tables import catalogue


async def read_head(tx: Transaction) -> Head:
    """The version that holds at this moment."""
    table = catalogue.c
    head = select(table.version, table.changed_at, clock(tx).label("read_at")).where(tx.in_workspace(catalogue))
    row = (await tx.execute(head)).one_or_none()
    return Head(0, None, await database_now(tx)) if row is None else Head(row.version, row.changed_at, row.read_at)


async def lock_head(tx: Transaction, now: datetime) -> Row[Any]:
    """The workspace's row of the catalogue, made at version 0 where there is none, locked until the transaction ends.

    Whoever writes drafts holds it, so that two who save at once number their revisions one after the other.
    """
    first = as_written(Workspace(workspace=tx.workspace))
    build = (postgresql if tx.dialect == "postgresql" else sqlite).insert(catalogue)
    row = build.values(workspace=tx.workspace, version=0, changed_at=now, definition=first)
    await tx.execute(row.on_conflict_do_nothing())
    locked = select(catalogue).where(tx.in_workspace(catalogue)).with_for_update()
    return (await tx.execute(locked)).one()


async def raise_version(tx: Transaction, expected: int, changed_at: datetime, **values: Any) -> bool:
    """Raise the version by one if it is `expected` (compare and set); says whether it was."""
    raised = (
        update(catalogue)
        .where(tx.in_workspace(catalogue), catalogue.c.version == expected)
        .values(version=expected + 1, changed_at=changed_at, **values)
    )
    return (await tx.execute(raised)).rowcount == 1
