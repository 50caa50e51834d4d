"""Saving definitions: as newest revisions beside whatever is live (P10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.rules.campaigns import Campaign, Card, Publishable, Workspace
from connector.rules.errors import OrderRefused
from connector.rules.values import canonical_json
from connector.store.sets import among
from connector.store.tables import entries, revisions
from connector.store.versions import lock_head, raise_version, written

Change = Literal["new", "edited", "unchanged"]


@dataclass(frozen=True)
class Saved:
    """What saving one definition did. `revision` is its newest one now; of a workspace, the catalogue's version."""

    id: str
    revision: int
    change: Change


async def save_drafts(
    c: AsyncConnection, workspace: str, definitions: Sequence[Campaign | Card | Workspace], now: datetime
) -> list[Saved]:
    """Save definitions in bulk, all or none; what is live does not change until it is published (P10).

    The catalogue's version is raised once if anything changed. The number of statements does not depend on how many
    definitions there are.

    Returns:
        One `Saved` for each definition, in their order.

    Raises:
        OrderRefused: something is archived (P9), was of the other kind before (M5), or is given twice.
    """
    head = await lock_head(c, workspace, now)
    named = [definition for definition in definitions if not isinstance(definition, Workspace)]
    before = await _newest(c, workspace, [definition.id for definition in named])
    _refuse_uneditable(definitions, before)
    saved = [
        _saved_workspace(definition, head) if isinstance(definition, Workspace) else _saved(definition, before)
        for definition in definitions
    ]
    changed = [(d, s) for d, s in zip(definitions, saved, strict=True) if s.change != "unchanged"]
    if changed:
        settings = next((written(d) for d, _ in changed if isinstance(d, Workspace)), head.definition)
        await raise_version(c, workspace, head.version, max(now, head.changed_at), definition=settings)
        drafts = [(d, s.revision) for d, s in changed if not isinstance(d, Workspace)]
        await _write(c, workspace, drafts, head.version + 1, now)
    return saved


async def _newest(c: AsyncConnection, workspace: str, ids: Sequence[str]) -> dict[str, Any]:
    newest = (
        select(entries.c.id, entries.c.kind, entries.c.state, revisions.c.revision, revisions.c.definition)
        .join(revisions, (revisions.c.workspace == entries.c.workspace) & (revisions.c.id == entries.c.id))
        .where(entries.c.workspace == workspace, among(c, entries.c.id, ids))
        .where(revisions.c.revision == entries.c.newest_revision)
    )
    return {row.id: row for row in (await c.execute(newest)).all()}


def _refuse_uneditable(definitions: Sequence[Campaign | Card | Workspace], before: Mapping[str, Any]) -> None:
    given = Counter((isinstance(definition, Workspace), _id(definition)) for definition in definitions)
    problems = [
        f"{name} is given {count} times; give each definition once" for (_, name), count in given.items() if count > 1
    ]
    for definition in definitions:
        row = None if isinstance(definition, Workspace) else before.get(definition.id)
        if row is not None and row.state == "archived":
            problems.append(f"{row.id} is archived and cannot be edited; give the new one another id")
        elif row is not None and row.kind != _kind(definition):
            problems.append(f"{row.id} is a {row.kind} already; campaigns and cards share one space of ids")
    if problems:
        raise OrderRefused(problems)


def _saved(definition: Publishable, before: Mapping[str, Any]) -> Saved:
    row = before.get(definition.id)
    if row is None:
        return Saved(definition.id, 1, "new")
    if _same(definition, row.definition):
        return Saved(definition.id, row.revision, "unchanged")
    return Saved(definition.id, row.revision + 1, "edited")


def _saved_workspace(definition: Workspace, head: Row[Any]) -> Saved:
    if head.version and _same(definition, head.definition):
        return Saved(definition.workspace, head.version, "unchanged")
    return Saved(definition.workspace, head.version + 1, "edited" if head.version else "new")


def _same(definition: Campaign | Card | Workspace, stored: Any) -> bool:
    # As text: in Python true equals 1, in a definition it does not.
    return canonical_json(written(definition)) == canonical_json(stored)


async def _write(
    c: AsyncConnection, workspace: str, drafts: Sequence[tuple[Publishable, int]], version: int, now: datetime
) -> None:
    if not drafts:
        return
    build = (postgresql if c.dialect.name == "postgresql" else sqlite).insert(entries)
    upsert = build.on_conflict_do_update(
        index_elements=["workspace", "id"],
        set_={"newest_revision": build.excluded.newest_revision, "changed_in": build.excluded.changed_in},
    )
    fresh = {"workspace": workspace, "state": "draft", "changed_in": version}
    await c.execute(upsert, [{**fresh, "id": d.id, "kind": _kind(d), "newest_revision": r} for d, r in drafts])
    saved = {"workspace": workspace, "saved_at": now}
    await c.execute(
        insert(revisions), [{**saved, "id": d.id, "revision": r, "definition": written(d)} for d, r in drafts]
    )


def _kind(definition: Campaign | Card | Workspace) -> str:
    return "card" if isinstance(definition, Card) else "campaign"


def _id(definition: Campaign | Card | Workspace) -> str:
    return definition.workspace if isinstance(definition, Workspace) else definition.id
