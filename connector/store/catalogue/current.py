"""The catalogue's head, its version and the time of its last change, and transactions that see the newest catalogue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Row, select, update

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.campaigns import Workspace
from connector.rules.publishing.drafting import as_written
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.bulk import insert_into
from connector.store.engine.database import Database
from connector.store.engine.transaction import Head, Transaction, clock, database_now
from connector.store.tables import catalogue

_T = TypeVar("_T")


async def with_current_catalogue(
    database: Database,
    cache: CatalogueCache,
    workspace: str,
    act: Callable[[Transaction, Catalogue], Awaitable[_T]],
) -> _T:
    """Call `act` in a transaction under the shared catalogue lock, with the catalogue of that moment (guarantee 1).

    If this process has an older catalogue, the transaction ends, the changes are loaded, and a new one begins. The
    transaction has the head, and so the time.

    Raises:
        StoreUnavailable: the database could not be reached; nothing was stored.
    """
    version = 0
    while True:
        current = await cache.at_least(database, version)
        async with database.write(workspace) as tx:
            head = await read_head(tx)
            if head.version == current.version:
                return await act(replace(tx, head=head), current)
        version = head.version


async def read_head(tx: Transaction) -> Head:
    """Return the catalogue's version at this moment, when it last changed, and the time."""
    columns = (catalogue.c.version, catalogue.c.changed_at, clock(tx).label("read_at"))
    row = (await tx.execute(select(*columns).where(tx.in_workspace(catalogue)))).one_or_none()
    return Head(0, None, await database_now(tx)) if row is None else Head(row.version, row.changed_at, row.read_at)


async def lock_head(tx: Transaction, now: datetime) -> Row[*tuple[Any, ...]]:
    """Lock the workspace's row of the catalogue until the transaction ends, and return it; created at version 0.

    Whoever writes drafts holds it, so that two who save at once number their revisions one after the other.
    """
    definition = as_written(Workspace(workspace=tx.workspace))
    first = insert_into(tx, catalogue).values(workspace=tx.workspace, version=0, changed_at=now, definition=definition)
    await tx.execute(first.on_conflict_do_nothing())
    return (await tx.execute(select(catalogue).where(tx.in_workspace(catalogue)).with_for_update())).one()


async def raise_version(tx: Transaction, expected: int, changed_at: datetime, **values: Any) -> bool:
    """Raise the catalogue's version by one if it is `expected` (compare and set); return whether it was."""
    raised = (
        update(catalogue)
        .where(tx.in_workspace(catalogue), catalogue.c.version == expected)
        .values(version=expected + 1, changed_at=changed_at, **values)
    )
    return (await tx.execute(raised)).rowcount == 1
