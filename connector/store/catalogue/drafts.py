"""Save definitions as drafts: newest revisions beside whatever is live (P10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from sqlalchemy import insert, select

from connector.rules.model.campaigns import AnyDefinition, Publishable, Workspace
from connector.rules.model.errors import Source
from connector.rules.publishing.drafting import (
    DraftChange,
    SavedDefinition,
    as_written,
    check_bases,
    draft_changes,
    get_kind,
)
from connector.store.catalogue.current import lock_head, raise_version
from connector.store.engine.bulk import in_set, upsert
from connector.store.engine.transaction import Transaction
from connector.store.tables import entries, revisions


async def save_drafts(
    tx: Transaction,
    definitions: Sequence[AnyDefinition],
    now: datetime,
    sources: Mapping[str, Source] = MappingProxyType({}),
    bases: Mapping[str, int] | None = None,
) -> list[DraftChange]:
    """Save definitions in bulk, all or none; what is live does not change until it is published (P10).

    The catalogue's version is raised once if anything changed. The number of statements does not depend on how many
    definitions there are.

    Args:
        sources: where definitions were read from, by id; the workspace by ''.
        bases: the revisions that the definitions were edited from, as in `check_bases`; None: whatever is newest.

    Returns:
        One `DraftChange` for each definition, in their order.

    Raises:
        OrderRefused: for the reasons of `draft_changes` and `check_bases`.
    """
    head = await lock_head(tx, now)
    ids = [definition.id for definition in definitions if not isinstance(definition, Workspace)]
    newest = await _load_newest(tx, ids)
    changes = draft_changes(definitions, newest, head.version, head.definition, sources)
    if bases is not None:
        check_bases(changes, newest, bases)
    changed = [(d, change) for d, change in zip(definitions, changes, strict=True) if change.change != "unchanged"]
    if changed:
        settings = next((as_written(d) for d, _ in changed if isinstance(d, Workspace)), head.definition)
        await raise_version(tx, head.version, max(now, head.changed_at), definition=settings)
        drafts = [(d, change.revision) for d, change in changed if not isinstance(d, Workspace)]
        await _write(tx, drafts, head.version + 1, now)
    return list(changes)


async def _load_newest(tx: Transaction, ids: Sequence[str]) -> dict[str, SavedDefinition]:
    newest = (
        select(entries.c.id, entries.c.kind, entries.c.state, revisions.c.revision, revisions.c.definition)
        .join(revisions, (revisions.c.workspace == entries.c.workspace) & (revisions.c.id == entries.c.id))
        .where(tx.in_workspace(entries), in_set(tx, entries.c.id, ids))
        .where(revisions.c.revision == entries.c.newest_revision)
    )
    rows = await tx.execute(newest)
    return {row.id: SavedDefinition(row.kind, row.state, row.revision, row.definition) for row in rows}


async def _write(tx: Transaction, drafts: Sequence[tuple[Publishable, int]], version: int, now: datetime) -> None:
    if not drafts:
        return
    new = {"workspace": tx.workspace, "state": "draft", "changed_in": version}
    await tx.execute(
        upsert(tx, entries, ["newest_revision", "changed_in"]),
        [{**new, "id": d.id, "kind": get_kind(d), "newest_revision": revision} for d, revision in drafts],
    )
    saved = {"workspace": tx.workspace, "saved_at": now}
    await tx.execute(
        insert(revisions),
        [{**saved, "id": d.id, "revision": revision, "definition": as_written(d)} for d, revision in drafts],
    )
