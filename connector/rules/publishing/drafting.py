"""Definitions become drafts: newest revisions beside whatever is live, which does not change (P10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision
from connector.rules.catalogue.references import target_problems
from connector.rules.model.campaigns import Campaign, Card, Publishable, Workspace
from connector.rules.model.errors import OrderRefused
from connector.rules.model.values import canonical_json
from connector.rules.publishing.lints import refusals, warnings

Definition = Campaign | Card | Workspace
Change = Literal["new", "edited", "unchanged"]
Kind = Literal["campaign", "card"]


@dataclass(frozen=True)
class DraftChange:
    """What saving one definition does. `revision` is its newest one then; of a workspace, the catalogue's version."""

    id: str
    revision: int
    change: Change


@dataclass(frozen=True)
class KnownDefinitions:
    """What was saved before under an id: its newest revision, as it was written."""

    kind: Kind
    state: Lifecycle
    revision: int
    definition: Mapping[str, Any]


@dataclass(frozen=True)
class DraftResult:
    """A catalogue with drafts in their places, and what became of each definition, in the order in which it was given.

    Workspace settings hold from here on: they have no drafts.
    """

    catalogue: Catalogue
    changes: tuple[DraftChange, ...]


def draft(catalogue: Catalogue, definitions: Sequence[Definition]) -> DraftResult:
    """Put definitions as drafts on a catalogue, all or none; its version is raised by one if anything changes.

    Raises:
        OrderRefused: as `draft_changes`, with every problem.
    """
    known = {d.id: _known(catalogue.entries[d.id]) for d in _named(definitions) if d.id in catalogue.entries}
    changes = draft_changes(definitions, known, catalogue.version, as_written(catalogue.workspace))
    changed = [(d, s.revision) for d, s in zip(definitions, changes, strict=True) if s.change != "unchanged"]
    if not changed:
        return DraftResult(catalogue, changes)
    settings = next((d for d, _ in changed if isinstance(d, Workspace)), None)
    entries = [_with_draft(catalogue.entries.get(d.id), d, n) for d, n in changed if not isinstance(d, Workspace)]
    return DraftResult(catalogue.with_entries(entries, version=catalogue.version + 1, workspace=settings), changes)


def draft_changes(
    definitions: Sequence[Definition],
    known: Mapping[str, KnownDefinitions],
    version: int,
    settings: Mapping[str, Any],
) -> tuple[DraftChange, ...]:
    """What saving these does, one for each in their order.

    Args:
        known: what was saved before, by id; at least of the definitions' ids.
        version: the catalogue's version; 0 where nothing was ever saved, so that the settings are nobody's yet.
        settings: the workspace's settings as they were written.

    Raises:
        OrderRefused: something is archived (P9), was of the other kind before (M5), or is given twice.
    """
    problems = [*_given_twice(definitions), *_uneditable(definitions, known)]
    if problems:
        raise OrderRefused(problems)
    return tuple(
        _saved_workspace(definition, version, settings)
        if isinstance(definition, Workspace)
        else _saved(definition, known.get(definition.id))
        for definition in definitions
    )


def draft_warnings(definitions: Iterable[Definition], catalogue: Catalogue, now: datetime) -> list[str]:
    """What to say to whoever saved these: for what publishing each will be refused (P3, P7), and surprises (P8).

    Args:
        catalogue: with the drafts in their places. What is live as it was saved is not published again.
        now: UTC; an `end` may have passed.
    """
    notes: list[str] = []
    for definition in _named(definitions):
        entry = catalogue.entries[definition.id]
        if entry.newest.effective_at is None:
            problems = [*target_problems(catalogue, entry), *refusals(definition, catalogue, now)]
            notes += [f"publishing {entry.id} will be refused: {p.removeprefix(f'{entry.id}: ')}" for p in problems]
        notes += warnings(definition, catalogue, now)
    return notes


def as_written(definition: Definition) -> dict[str, Any]:
    """A definition as its author wrote it, in JSON values; `parse_definition` reads it back."""
    return definition.model_dump(mode="json", by_alias=True, exclude_unset=True)


def kind_of(definition: Publishable) -> Kind:
    """Campaigns and cards share one space of ids, and stay what they are (M5)."""
    return "card" if isinstance(definition, Card) else "campaign"


def _given_twice(definitions: Sequence[Definition]) -> list[str]:
    given = Counter((isinstance(d, Workspace), d.workspace if isinstance(d, Workspace) else d.id) for d in definitions)
    return [f"{name} is given {n} times; give each definition once" for (_, name), n in given.items() if n > 1]


def _uneditable(definitions: Sequence[Definition], known: Mapping[str, KnownDefinitions]) -> list[str]:
    problems = []
    for definition in _named(definitions):
        name, before = definition.id, known.get(definition.id)
        if before is not None and before.state == "archived":
            problems.append(f"{name} is archived and cannot be edited; give the new one another id")
        elif before is not None and before.kind != kind_of(definition):
            problems.append(f"{name} is a {before.kind} already; campaigns and cards share one space of ids")
    return problems


def _saved(definition: Publishable, before: KnownDefinitions | None) -> DraftChange:
    if before is None:
        return DraftChange(definition.id, 1, "new")
    if _same(definition, before.definition):
        return DraftChange(definition.id, before.revision, "unchanged")
    return DraftChange(definition.id, before.revision + 1, "edited")


def _saved_workspace(definition: Workspace, version: int, settings: Mapping[str, Any]) -> DraftChange:
    if version and _same(definition, settings):
        return DraftChange(definition.workspace, version, "unchanged")
    return DraftChange(definition.workspace, version + 1, "edited" if version else "new")


def _same(definition: Definition, before: Mapping[str, Any]) -> bool:
    # As text: in Python true equals 1, in a definition it does not.
    return canonical_json(as_written(definition)) == canonical_json(before)


def _with_draft(before: Entry | None, definition: Publishable, number: int) -> Entry:
    """The entry with this newest revision. A draft that it replaces was never live, and never will be."""
    newest = Revision(number, definition)
    if before is None:
        return Entry(definition.id, "draft", (newest,))
    kept = tuple(revision for revision in before.revisions if revision.effective_at is not None)
    return Entry(before.id, before.state, (*kept, newest), before.windows)


def _known(entry: Entry) -> KnownDefinitions:
    newest = entry.newest
    return KnownDefinitions(kind_of(newest.definition), entry.state, newest.number, as_written(newest.definition))


def _named(definitions: Iterable[Definition]) -> list[Publishable]:
    return [definition for definition in definitions if not isinstance(definition, Workspace)]
