"""The catalogue in SQL: drafts, lifecycle, windows and orders, behind one version that every change raises."""

from __future__ import annotations

from collections import defaultdict
from typing import cast

from sqlalchemy import ColumnElement, Table, or_, select

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision, Window
from connector.rules.model.campaigns import Publishable, Workspace, parse_definition
from connector.store.catalogue.drafts import save_drafts
from connector.store.catalogue.orders import VersionMoved, commit_order, find_receipt, next_instant
from connector.store.catalogue.versions import read_head
from connector.store.engine.transaction import Transaction
from connector.store.tables import catalogue, entries, publications, revisions

__all__ = [
    "VersionMoved",
    "commit_order",
    "find_receipt",
    "load_catalogue",
    "next_instant",
    "read_head",
    "save_drafts",
]


async def load_catalogue(tx: Transaction, since: Catalogue | None = None) -> Catalogue:
    """The catalogue with its drafts, in at most four statements.

    Args:
        since: what is known already; only what changed after its version is read. A version that the database does
            not have yet (it was restored from a backup) counts as nothing known.
    """
    before = since or Catalogue()
    row = (await tx.execute(select(catalogue).where(tx.in_workspace(catalogue)))).one_or_none()
    if row is None or row.version < before.version:
        before = Catalogue()
    if row is None or row.version == before.version:
        return before
    changed = await _load_changed(tx, before.version)
    settings = Workspace.model_validate(row.definition)
    return before.with_entries(changed, version=row.version, workspace=settings, changed_at=row.changed_at)


async def _load_changed(tx: Transaction, after: int) -> list[Entry]:
    changed = (tx.in_workspace(entries), entries.c.changed_in > after)
    history: dict[str, list[Revision]] = defaultdict(list)
    # Drafts that a newer draft replaced were never live, and never will be.
    kept = or_(revisions.c.effective_at.is_not(None), revisions.c.revision == entries.c.newest_revision)
    statement = select(revisions).join(entries, _same_entry(revisions)).where(*changed, kept)
    for row in await tx.execute(statement.order_by(revisions.c.revision)):
        definition = cast(Publishable, parse_definition(row.definition))
        history[row.id].append(Revision(row.revision, definition, row.effective_at))
    windows: dict[str, list[Window]] = defaultdict(list)
    statement = select(publications).join(entries, _same_entry(publications)).where(*changed)
    for row in await tx.execute(statement.order_by(publications.c.window_id)):
        windows[row.id].append(Window(row.window_id, row.opened_at, row.closed_at))
    rows = await tx.execute(select(entries.c.id, entries.c.state).where(*changed))
    return [Entry(row.id, row.state, tuple(history[row.id]), tuple(windows[row.id])) for row in rows]


def _same_entry(table: Table) -> ColumnElement[bool]:
    return (table.c.workspace == entries.c.workspace) & (table.c.id == entries.c.id)
