"""What applying definitions and publishing them would do, before anything changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import Campaign, Workspace
from connector.rules.publishing.differences import Difference, differences
from connector.rules.publishing.drafting import Change, Definition, DraftChange, DraftResult, as_written, kind_of
from connector.rules.publishing.openings import inside_quiet_hours


@dataclass(frozen=True)
class DefinitionPreview:
    """What becomes of one definition. `revision` is its newest one then, `live_revision` what is live now, if anything.

    Of a workspace `revision` is the catalogue's version, and what is edited holds at once. `differences` are those from
    the newest saved revision, live or not.
    """

    id: str
    kind: Literal["campaign", "card", "workspace"]
    change: Change
    revision: int
    live_revision: int | None = None
    differences: tuple[Difference, ...] = ()


def preview_definitions(
    catalogue: Catalogue, drafted: DraftResult, definitions: Sequence[Definition]
) -> list[DefinitionPreview]:
    """One for each definition that `drafted` was made of, in their order; `catalogue` is the one before."""
    return [_drafting(catalogue, saved, d) for d, saved in zip(definitions, drafted.changes, strict=True)]


def unpublished_ids(drafted: DraftResult, definitions: Sequence[Definition]) -> list[str]:
    """Those of them that are to be published: new, edited, and saved before without being published since."""
    named = [definition.id for definition in definitions if not isinstance(definition, Workspace)]
    return [name for name in named if drafted.catalogue.entries[name].newest.effective_at is None]


def other_entries(catalogue: Catalogue, definitions: Sequence[Definition]) -> list[Entry]:
    """What is saved and not among the definitions, by name; nothing becomes of it."""
    named = {definition.id for definition in definitions if not isinstance(definition, Workspace)}
    return [catalogue.entries[name] for name in sorted(catalogue.entries.keys() - named)]


def applying_warnings(catalogue: Catalogue, drafted: DraftResult, publishing: Sequence[str]) -> Iterator[str]:
    """What surprises, besides what publishing warns of: who comes back to life, and whom new settings silence."""
    for name in publishing:
        if drafted.catalogue.entries[name].state == "stopped":
            yield f"{name} is stopped; publishing it makes it live again, without what happened meanwhile"
    for entry in drafted.catalogue.entries.values():
        campaign = entry.live.definition if entry.live and entry.id not in publishing else None
        if isinstance(campaign, Campaign):
            silenced = set(inside_quiet_hours(campaign, drafted.catalogue.workspace))
            for problem in silenced.difference(inside_quiet_hours(campaign, catalogue.workspace)):
                yield f"the workspace's settings hold at once, and {entry.id} is live: {problem}"


def _drafting(catalogue: Catalogue, saved: DraftChange, definition: Definition) -> DefinitionPreview:
    if isinstance(definition, Workspace):
        edits = _edits(saved, catalogue.workspace, definition)
        return DefinitionPreview(saved.id, "workspace", saved.change, saved.revision, differences=edits)
    entry = catalogue.entries.get(definition.id)
    live = entry.live.number if entry and entry.live else None
    edits = _edits(saved, entry.newest.definition, definition) if entry else ()
    return DefinitionPreview(saved.id, kind_of(definition), saved.change, saved.revision, live, edits)


def _edits(saved: DraftChange, before: Definition, after: Definition) -> tuple[Difference, ...]:
    return tuple(differences(as_written(before), as_written(after))) if saved.change == "edited" else ()
