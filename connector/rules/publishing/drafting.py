"""Drafts: saving definitions as newest revisions, beside the live ones, which do not change (P10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision
from connector.rules.model.campaigns import AnyDefinition, Card, Publishable, Workspace
from connector.rules.model.errors import DraftConflict, Fault, OrderRefused, Source
from connector.rules.model.values import canonical_json
from connector.rules.publishing.facts import NO_FACTS, PublishFacts
from connector.rules.publishing.lints import refusals, warnings

Change = Literal["new", "edited", "unchanged"]
Kind = Literal["campaign", "card"]


@dataclass(frozen=True)
class DraftChange:
    """The effect of saving one definition: its newest `revision`, or for a workspace the catalogue's version."""

    id: str
    revision: int
    change: Change


@dataclass(frozen=True)
class SavedDefinition:
    """The newest saved revision of an id, as it was written."""

    kind: Kind
    state: Lifecycle
    revision: int
    definition: Mapping[str, Any]


@dataclass(frozen=True)
class DraftResult:
    """A catalogue that contains the drafts, and the change of each definition, in their order.

    Workspace settings have no drafts: they take effect at once.
    """

    catalogue: Catalogue
    changes: tuple[DraftChange, ...]


def draft(
    catalogue: Catalogue, definitions: Sequence[AnyDefinition], sources: Mapping[str, Source] = MappingProxyType({})
) -> DraftResult:
    """Save definitions as drafts on a catalogue, all or none. The version grows by one if anything changes.

    Args:
        sources: where definitions were read from, by id; the workspace by ''.

    Raises:
        OrderRefused: for the reasons of `draft_changes`, with every problem.
    """
    saved = {d.id: _saved_definition(catalogue.entries[d.id]) for d in _named(definitions) if d.id in catalogue.entries}
    changes = draft_changes(definitions, saved, catalogue.version, as_written(catalogue.workspace), sources)
    changed = [(d, s.revision) for d, s in zip(definitions, changes, strict=True) if s.change != "unchanged"]
    if not changed:
        return DraftResult(catalogue, changes)
    settings = next((d for d, _ in changed if isinstance(d, Workspace)), None)
    entries = [_with_draft(catalogue.entries.get(d.id), d, n) for d, n in changed if not isinstance(d, Workspace)]
    return DraftResult(catalogue.with_entries(entries, version=catalogue.version + 1, workspace=settings), changes)


def draft_changes(
    definitions: Sequence[AnyDefinition],
    saved: Mapping[str, SavedDefinition],
    version: int,
    settings: Mapping[str, Any],
    sources: Mapping[str, Source] = MappingProxyType({}),
) -> tuple[DraftChange, ...]:
    """Return what saving each of these definitions does, in their order.

    Args:
        saved: the saved definitions by id, at least those of the definitions' ids.
        version: the catalogue's version; 0 if nothing was ever saved, so that any settings are new.
        settings: the workspace's settings as they were written.
        sources: where definitions were read from, by id; the workspace by ''.

    Raises:
        OrderRefused: an id is archived (P9), was of the other kind before (M5), or occurs twice; or the workspace's
            settings would silence every campaign or never hold (P7).
    """
    faults = [fault for one in definitions if isinstance(one, Workspace) for fault in settings_problems(one)]
    problems = [*_duplicate_problems(definitions), *_edit_problems(definitions, saved)]
    problems += [str(sources[""].locate(fault) if "" in sources else fault) for fault in faults]
    if problems:
        raise OrderRefused(problems)
    return tuple(
        _workspace_change(definition, version, settings)
        if isinstance(definition, Workspace)
        else _change_of(definition, saved.get(definition.id))
        for definition in definitions
    )


def check_bases(changes: Sequence[DraftChange], saved: Mapping[str, SavedDefinition], bases: Mapping[str, int]) -> None:
    """Check that what these changes replace was not saved by others since it was read; what does not change passes.

    Args:
        bases: the newest revision when each definition was read, by id; 0, or no entry: it did not exist.

    Raises:
        DraftConflict: names every definition that is not as it was read.
    """
    found = {one.id: saved[one.id].revision for one in changes if one.change != "unchanged" and one.id in saved}
    conflicts = {id: revision for id, revision in found.items() if revision != bases.get(id, 0)}
    if conflicts:
        raise DraftConflict(
            [
                f"{id} was saved by somebody else meanwhile: its newest revision is {revision}, yours began from {base}"
                if (base := bases.get(id, 0))
                else f"{id} exists already, with {revision} as its newest revision; choose another id, or edit that one"
                for id, revision in conflicts.items()
            ],
            conflicts,
        )


def draft_warnings(
    definitions: Iterable[AnyDefinition], catalogue: Catalogue, now: datetime, facts: PublishFacts = NO_FACTS
) -> list[str]:
    """Return warnings about saved definitions: why publishing each will be refused (P3, P7), and surprises (P8).

    Args:
        catalogue: the catalogue with the drafts. A definition that is live as saved is not published again.
        now: UTC; an `end` may have passed.
        facts: what was looked up, by `publish_questions`.
    """
    notes: list[str] = []
    for definition in _named(definitions):
        if catalogue.entries[definition.id].newest.effective_at is None:
            faults = (replace(fault, id="") for fault in refusals(definition, catalogue, now, facts))
            problems = facts.describe(faults, definition.id)
            notes += [f"publishing {definition.id} will be refused: {problem}" for problem in problems]
        notes += facts.describe(warnings(definition, catalogue, now, facts))
    return [*notes, *([facts.unknown] if facts.unknown else [])]


def settings_problems(workspace: Workspace) -> list[Fault]:
    """Return the faults of settings, which take effect when they are saved (P7)."""
    faults = [
        Fault(f"frequency_caps[{n}].at_most", "0 would let no message out; write 1 or more, or stop the campaigns")
        for n, cap in enumerate(workspace.frequency_caps)
        if cap.at_most == 0
    ]
    quiet = workspace.quiet_hours
    if quiet is not None and quiet.from_ == quiet.to:
        problem = f"begin and end at {quiet.to:%H:%M}, so they would never hold; write other hours, or null for none"
        faults.append(Fault("quiet_hours", problem))
    return [replace(fault, id=workspace.workspace) for fault in faults]


def as_written(definition: AnyDefinition) -> dict[str, Any]:
    """Return a definition as its author wrote it, in JSON values, which `parse_definition` reads again."""
    return definition.model_dump(mode="json", by_alias=True, exclude_unset=True)


def get_kind(definition: Publishable) -> Kind:
    """Return the kind of a definition. An id never changes its kind (M5)."""
    return "card" if isinstance(definition, Card) else "campaign"


def _duplicate_problems(definitions: Sequence[AnyDefinition]) -> list[str]:
    counts = Counter((isinstance(d, Workspace), d.workspace if isinstance(d, Workspace) else d.id) for d in definitions)
    return [f"{name} is given {n} times; give each definition once" for (_, name), n in counts.items() if n > 1]


def _edit_problems(definitions: Sequence[AnyDefinition], saved: Mapping[str, SavedDefinition]) -> list[str]:
    problems = []
    for definition in _named(definitions):
        name, before = definition.id, saved.get(definition.id)
        if before is not None and before.state == "archived":
            problems.append(f"{name} is archived and cannot be edited; give the new one another id")
        elif before is not None and before.kind != get_kind(definition):
            problems.append(f"{name} is a {before.kind} already; campaigns and cards share one space of ids")
    return problems


def _change_of(definition: Publishable, before: SavedDefinition | None) -> DraftChange:
    if before is None:
        return DraftChange(definition.id, 1, "new")
    if _is_same(definition, before.definition):
        return DraftChange(definition.id, before.revision, "unchanged")
    return DraftChange(definition.id, before.revision + 1, "edited")


def _workspace_change(definition: Workspace, version: int, settings: Mapping[str, Any]) -> DraftChange:
    if version and _is_same(definition, settings):
        return DraftChange(definition.workspace, version, "unchanged")
    return DraftChange(definition.workspace, version + 1, "edited" if version else "new")


def _is_same(definition: AnyDefinition, before: Mapping[str, Any]) -> bool:
    # As text, because in Python true equals 1, and in a definition it does not.
    return canonical_json(as_written(definition)) == canonical_json(before)


def _with_draft(before: Entry | None, definition: Publishable, number: int) -> Entry:
    """Return the entry with this newest revision. It replaces an earlier draft, which was never live."""
    newest = Revision(number, definition)
    if before is None:
        return Entry(definition.id, "draft", (newest,))
    kept = tuple(revision for revision in before.revisions if revision.effective_at is not None)
    return Entry(before.id, before.state, (*kept, newest), before.windows)


def _saved_definition(entry: Entry) -> SavedDefinition:
    newest = entry.newest
    return SavedDefinition(get_kind(newest.definition), entry.state, newest.number, as_written(newest.definition))


def _named(definitions: Iterable[AnyDefinition]) -> list[Publishable]:
    return [definition for definition in definitions if not isinstance(definition, Workspace)]
