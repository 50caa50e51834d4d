"""The effect of saving and publishing definitions, before anything changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.model.campaigns import AnyDefinition, Campaign, Workspace
from connector.rules.model.values import canonical_json
from connector.rules.publishing.checks import Publication, run_checks
from connector.rules.publishing.drafting import Change, DraftChange, DraftResult, as_written, get_kind
from connector.rules.publishing.facts import NO_FACTS
from connector.rules.publishing.refusals import SETTINGS_CHECKS


@dataclass(frozen=True)
class Difference:
    """A key that was added, removed or edited. `before` is None for an added one, `after` for a removed one."""

    path: str
    change: Literal["added", "removed", "edited"]
    before: Any = None
    after: Any = None


@dataclass(frozen=True)
class DefinitionPreview:
    """The effect of saving one definition.

    Args:
        revision: its newest revision then; for a workspace, the catalogue's version.
        live_revision: the revision that is live now, if any.
        differences: those from the newest saved revision, live or not. Edits of a workspace take effect at once.
    """

    id: str
    kind: Literal["campaign", "card", "workspace"]
    change: Change
    revision: int
    live_revision: int | None = None
    differences: tuple[Difference, ...] = ()


def preview_definitions(
    catalogue: Catalogue, drafted: DraftResult, definitions: Sequence[AnyDefinition]
) -> list[DefinitionPreview]:
    """Return the preview of each definition, in their order.

    Args:
        catalogue: the catalogue before.
        drafted: the result of drafting the definitions on it.
    """
    return [_preview(catalogue, change, d) for d, change in zip(definitions, drafted.changes, strict=True)]


def unpublished_ids(drafted: DraftResult, definitions: Sequence[AnyDefinition]) -> list[str]:
    """Return the ids of the definitions whose newest revision is not published: new, edited, or saved before."""
    ids = [definition.id for definition in definitions if not isinstance(definition, Workspace)]
    return [id for id in ids if drafted.catalogue.entries[id].newest.effective_at is None]


def other_entries(catalogue: Catalogue, definitions: Sequence[AnyDefinition]) -> list[Entry]:
    """Return the entries that are not among the definitions, by id. Nothing happens to them."""
    ids = {definition.id for definition in definitions if not isinstance(definition, Workspace)}
    return [catalogue.entries[id] for id in sorted(catalogue.entries.keys() - ids)]


def applying_warnings(
    catalogue: Catalogue, drafted: DraftResult, publishing: Sequence[str], now: datetime
) -> Iterator[str]:
    """Yield warnings besides those of publishing: campaigns that resume, and campaigns that new settings silence."""
    for name in publishing:
        if drafted.catalogue.entries[name].state == "stopped":
            yield f"{name} is stopped; publishing it makes it live again, without what happened meanwhile"
    if drafted.catalogue.workspace == catalogue.workspace:
        return
    for entry in drafted.catalogue.entries.values():
        campaign = entry.live.definition if entry.live and entry.id not in publishing else None
        if isinstance(campaign, Campaign):
            before, after = (
                run_checks(SETTINGS_CHECKS, Publication(campaign, one, now, NO_FACTS))
                for one in (catalogue, drafted.catalogue)
            )
            for fault in after:
                if fault not in before:
                    yield f"the workspace's settings take effect at once, and {entry.id} is live: {fault.problem}"


def differences(before: Mapping[str, Any], after: Mapping[str, Any], path: str = "") -> Iterator[Difference]:
    """Yield the differences of two definitions in JSON values: by the newer one's keys, then the removed ones.

    Mappings with a key in common are compared key by key; lists, and mappings such as two kinds of delay, as a whole.
    """
    for key, value in after.items():
        key_path = f"{path}.{key}" if path else key
        if key not in before:
            yield Difference(key_path, "added", after=value)
        elif _have_common_key(before[key], value):
            yield from differences(before[key], value, key_path)
        # As text, because in Python true equals 1, and in a definition it does not.
        elif canonical_json(before[key]) != canonical_json(value):
            yield Difference(key_path, "edited", before[key], value)
    for key, value in before.items():
        if key not in after:
            yield Difference(f"{path}.{key}" if path else key, "removed", before=value)


def _have_common_key(before: Any, after: Any) -> bool:
    return isinstance(before, dict) and isinstance(after, dict) and not before.keys().isdisjoint(after)


def _preview(catalogue: Catalogue, change: DraftChange, definition: AnyDefinition) -> DefinitionPreview:
    if isinstance(definition, Workspace):
        edits = _edits(change, catalogue.workspace, definition)
        return DefinitionPreview(change.id, "workspace", change.change, change.revision, differences=edits)
    entry = catalogue.entries.get(definition.id)
    live = entry.live.number if entry and entry.live else None
    edits = _edits(change, entry.newest.definition, definition) if entry else ()
    return DefinitionPreview(change.id, get_kind(definition), change.change, change.revision, live, edits)


def _edits(change: DraftChange, before: AnyDefinition, after: AnyDefinition) -> tuple[Difference, ...]:
    return tuple(differences(as_written(before), as_written(after))) if change.change == "edited" else ()
