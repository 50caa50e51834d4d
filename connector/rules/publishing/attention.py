"""What of a catalogue needs a hand: follow-ons that can never trigger, and orders that would miss a launch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.catalogue.dependencies import publication_order, trigger_interactions
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.interactions import LAUNCH_TIME
from connector.rules.model.nearest import suggestion

_MAX_NAMED = 5


@dataclass(frozen=True)
class NeverTriggers:
    """An active follow-on that nothing can start, because no target of its trigger is live.

    Args:
        targets: the targets of its trigger, each with its state; None: it does not exist.
        text: what is so, and the way out.
    """

    campaign: str
    targets: tuple[tuple[str, str | None], ...]
    text: str


@dataclass(frozen=True)
class MissedLaunch:
    """A draft whose publication on its own would make draft follow-ons miss what its launch makes (P3).

    Args:
        follow_ons: the drafts that would miss it.
        order: the ids to publish together, in the order in which they take effect.
    """

    campaign: str
    follow_ons: tuple[str, ...]
    order: tuple[str, ...]
    text: str


def find_never_triggering(catalogue: Catalogue) -> list[NeverTriggers]:
    """Return the active follow-ons that can never trigger as things are, by id.

    One with an event in its trigger can, and one with an active target. With `target: ever_published` it can also
    if a target was ever live (P1).
    """
    return [
        NeverTriggers(entry.id, tuple((name, _state(catalogue, name)) for name in targets), _explain(entry, dead))
        for entry in _by_id(catalogue)
        if entry.live is not None and (targets := _targets_alone(entry))
        if len(dead := [(name, _dead(catalogue, name)) for name in targets if _dead(catalogue, name)]) == len(targets)
    ]


def find_missed_launches(catalogue: Catalogue) -> list[MissedLaunch]:
    """Return the drafts to which draft follow-ons listen for what a launch makes, with the right order, by id (P3)."""
    listeners: dict[str, list[str]] = defaultdict(list)
    for entry in _by_id(catalogue):
        if entry.state == "draft":
            launch = {c.target for c in trigger_interactions(entry) if c.interaction in LAUNCH_TIME}
            for target in launch - {entry.id}:
                listeners[target].append(entry.id)
    return [
        _missed(catalogue, name, listeners[name])
        for name in sorted(listeners)
        if (found := catalogue.entries.get(name)) is not None and found.state == "draft"
    ]


def _missed(catalogue: Catalogue, name: str, follow_ons: Sequence[str]) -> MissedLaunch:
    order = publication_order(catalogue, {name, *follow_ons})
    text = (
        f"publishing {name} alone would make {_listed(follow_ons, ', ')} miss its launch; publish them together "
        f"(publish {_listed(order, ' ')})"
    )
    return MissedLaunch(name, tuple(follow_ons), order, text)


def _by_id(catalogue: Catalogue) -> Iterator[Entry]:
    return (catalogue.entries[name] for name in sorted(catalogue.entries))


def _targets_alone(entry: Entry) -> list[str]:
    """Return the targets of the live trigger; none if an event triggers it too."""
    follow_on = entry.follow_on(entry.live)
    conditions = follow_on.trigger if follow_on else ()
    if not all(isinstance(condition, InteractionCondition) for condition in conditions):
        return []
    return sorted({c.target for c in conditions if isinstance(c, InteractionCondition)})


def _state(catalogue: Catalogue, name: str) -> str | None:
    entry = catalogue.entries.get(name)
    return entry.state if entry is not None else None


def _dead(catalogue: Catalogue, name: str) -> str | None:
    """Return why no interaction with a target counts, and what would change that; None if interactions count (P1)."""
    entry = catalogue.entries.get(name)
    if entry is None:
        return f"{name} does not exist; {suggestion(name, catalogue.entries, 'apply its definition')}"
    if entry.state == "active" or (catalogue.workspace.target == "ever_published" and entry.windows):
        return None
    if entry.state == "draft":
        return f"{name} is a draft; publish it (publish {name})"
    if entry.state == "stopped":
        return f"{name} is stopped; resume it (resume {name})"
    return f"{name} is archived; listen to another campaign"


def _explain(entry: Entry, dead: Sequence[tuple[str, str | None]]) -> str:
    reasons = [text for _, text in dead[:_MAX_NAMED] if text]
    more = f"; and {len(dead) - _MAX_NAMED} more" if len(dead) > _MAX_NAMED else ""
    return f"{entry.id} is active, and nothing can trigger it: {'; '.join(reasons)}{more}"


def _listed(names: Sequence[str], between: str) -> str:
    left_out = len(names) - 2 * _MAX_NAMED
    return between.join(names[: 2 * _MAX_NAMED]) + (f" and {left_out} more" if left_out > 0 else "")
