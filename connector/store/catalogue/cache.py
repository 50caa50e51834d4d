"""Load the catalogue, and cache it: one per process, kept up to date by what has changed since."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import cast

from sqlalchemy import ColumnElement, Table, or_, select

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Publishable, Workspace, parse_definition
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.tables import catalogue, entries, publications, revisions


class CatalogueCache:
    """The newest catalogue of one workspace that this process has loaded."""

    def __init__(self, workspace: str = "default") -> None:
        self._workspace = workspace
        self._newest = Catalogue()
        self._loading = asyncio.Lock()

    async def at_least(self, database: Database, version: int | None = None) -> Catalogue:
        """Return the catalogue at `version` or a later one, from memory if it is there. None: the present version.

        Only what has changed since the last load is read, outside the transactions that use it, and once for any number
        of callers that wait. `version` comes from the database, so it can be read. Raises StoreUnavailable.
        """
        async with self._loading:
            if version is None or self._newest.version < version:
                async with database.read(self._workspace) as tx:
                    self._newest = await load_catalogue(tx, self._newest)
            return self._newest


async def load_catalogue(tx: Transaction, since: Catalogue | None = None) -> Catalogue:
    """Load the catalogue with its drafts, in at most four statements.

    Args:
        since: a catalogue loaded before: only what changed after its version is read. If the database has not reached
            its version (it was restored from a backup), everything is read.
    """
    known = since or Catalogue()
    row = (await tx.execute(select(catalogue).where(tx.in_workspace(catalogue)))).one_or_none()
    if row is None or row.version < known.version:
        known = Catalogue()
    if row is None or row.version == known.version:
        return known
    changed = await _load_changed(tx, known.version)
    settings = Workspace.model_validate(row.definition)
    return known.with_entries(changed, version=row.version, workspace=settings, changed_at=row.changed_at)


async def _load_changed(tx: Transaction, after: int) -> list[Entry]:
    changed = (tx.in_workspace(entries), entries.c.changed_in > after)
    by_entry: dict[str, list[Revision]] = defaultdict(list)
    # A draft that a newer draft replaced was never live and never will be.
    wanted = or_(revisions.c.effective_at.is_not(None), revisions.c.revision == entries.c.newest_revision)
    statement = select(revisions).join(entries, _same_entry(revisions)).where(*changed, wanted)
    for row in await tx.execute(statement.order_by(revisions.c.revision)):
        definition = cast(Publishable, parse_definition(row.definition))
        by_entry[row.id].append(Revision(row.revision, definition, row.effective_at))
    windows: dict[str, list[Window]] = defaultdict(list)
    statement = select(publications).join(entries, _same_entry(publications)).where(*changed)
    for row in await tx.execute(statement.order_by(publications.c.window_id)):
        windows[row.id].append(Window(row.window_id, row.opened_at, row.closed_at))
    rows = await tx.execute(select(entries.c.id, entries.c.state).where(*changed))
    return [Entry(row.id, row.state, tuple(by_entry[row.id]), tuple(windows[row.id])) for row in rows]


def _same_entry(table: Table) -> ColumnElement[bool]:
    return (table.c.workspace == entries.c.workspace) & (table.c.id == entries.c.id)
