"""What a follow-on will miss, or has missed, of what it listens to (P3, P4)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.catalogue.dependencies import trigger_interactions
from connector.rules.model.interactions import LAUNCH_TIME, InteractionType

Missed = Mapping[tuple[str, str], int]
"""How many interactions are logged already, by (target, interaction type)."""

DraftListeners = Mapping[str, Mapping[str, Set[InteractionType]]]
"""By target: the draft follow-ons that stay drafts, with the interactions of it that each listens to."""


def missing_drafts(catalogue: Catalogue, publishing: Set[str]) -> DraftListeners:
    """The drafts that an order leaves drafts, by what they listen to."""
    found: dict[str, dict[str, set[InteractionType]]] = defaultdict(lambda: defaultdict(set))
    for entry in catalogue.entries.values():
        if entry.state == "draft" and entry.id not in publishing:
            for condition in trigger_interactions(entry):
                found[condition.target][entry.id].add(condition.interaction)
    return found


def launch_problems(entry: Entry, behind: DraftListeners) -> list[str]:
    """P3: a draft follow-on of a launch-time interaction would miss this launch."""
    return [
        f"publishing {entry.id} now would make the draft follow-on {name} miss its {', '.join(sorted(launch))}; "
        f"publish {name} first or with it (publish {name} {entry.id}), or allow it (--allow-missed)"
        for name, kinds in behind.get(entry.id, {}).items()
        if (launch := kinds & LAUNCH_TIME)
    ]


def will_miss(entry: Entry, behind: DraftListeners) -> list[str]:
    """P3: which drafts will not hear what happens from now on."""
    return [
        f"the draft follow-on {name} listens to {entry.id} ({', '.join(sorted(kinds))}): it will miss what happens "
        f"before it is published; publish it soon (publish {name})"
        for name, kinds in behind.get(entry.id, {}).items()
    ]


def already_missed(catalogue: Catalogue, entry: Entry, missed: Missed) -> list[str]:
    """P4: which targets are active already, and how many of their launch-time interactions have gone by.

    Asked of what no published revision listened to before, since P2's clock goes on from the first publication (P10).
    """
    known = {(c.target, c.interaction) for revision in entry.published for c in trigger_interactions(entry, revision)}
    wanted = {(c.target, c.interaction) for c in trigger_interactions(entry)} - known
    return [
        f"{target} is active already: what has happened does not start {entry.id}{_count(target, kind, missed)}"
        for target, kind in sorted(wanted)
        if catalogue.is_active(target)
    ]


def _count(target: str, kind: InteractionType, missed: Missed) -> str:
    if kind not in LAUNCH_TIME:
        return f" ({kind})"
    count = missed.get((target, kind.value), 0)
    return f"; {count} {kind} {'has' if count == 1 else 'have'} been missed"
