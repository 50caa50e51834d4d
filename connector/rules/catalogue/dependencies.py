"""Who listens to whom: the graph of follow-ons, its order of publication (P5) and its circles (P6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.catalogue.graph import Graph, cyclic_components, shortest_cycle
from connector.rules.model.conditions import InteractionCondition

_MOST_NAMED = 20
"""How many campaigns of a circle its problem names."""


def trigger_interactions(entry: Entry, revision: Revision | None = None) -> tuple[InteractionCondition, ...]:
    """The interactions that trigger a revision of a follow-on, the newest one unless told."""
    follow_on = entry.follow_on(revision or entry.newest)
    conditions = follow_on.trigger if follow_on else ()
    return tuple(c for c in conditions if isinstance(c, InteractionCondition))


def follow_ons_of(catalogue: Catalogue) -> Mapping[str, tuple[str, ...]]:
    """The follow-ons whose newest revision listens to each target."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in catalogue.entries.values():
        for target in _targets(trigger_interactions(entry)):
            found[target].append(entry.id)
    return {target: tuple(names) for target, names in found.items()}


def with_draft_follow_ons(catalogue: Catalogue, ids: Iterable[str]) -> list[str]:
    """The ids with the draft follow-ons that listen to them, those that listen to these, and so on (P5)."""
    chosen = dict.fromkeys(ids)
    waiting, listening = list(chosen), follow_ons_of(catalogue)
    while waiting:
        for name in listening.get(waiting.pop(), ()):
            if name not in chosen and catalogue.entries[name].state == "draft":
                chosen[name] = None
                waiting.append(name)
    return list(chosen)


def publication_order(catalogue: Catalogue, names: Set[str]) -> tuple[str, ...]:
    """The names so that follow-ons come before what they listen to; on an allowed circle, by name (P5)."""
    graph = {name: _targets(trigger_interactions(catalogue.entries[name])) for name in names}
    return tuple(name for knot in cyclic_components(graph, sorted(names)) for name in sorted(knot))


def cycle_problems(catalogue: Catalogue, becoming_live: Mapping[str, Revision]) -> list[str]:
    """P6: a problem for each knot of the live and the becoming live in which somebody could go round for ever.

    One is allowed where each campaign on it has `eligible_again: never`.

    Args:
        becoming_live: the revisions that an order makes live.
    """
    live = {entry.id: entry.live for entry in catalogue.entries.values() if entry.live} | dict(becoming_live)
    graph = {name: _targets(trigger_interactions(catalogue.entries[name], revision)) for name, revision in live.items()}
    graph = {name: [target for target in targets if target in live] for name, targets in graph.items() if targets}
    problems = []
    for knot in cyclic_components(graph, sorted(live)):
        repeating = (name for name in sorted(knot) if not _once_only(catalogue.entries[name], live[name]))
        again = None if becoming_live.keys().isdisjoint(knot) else next(repeating, None)
        way = shortest_cycle(_within(graph, knot), again) if again else None
        problems += [_problem(way)] if way else []
    return problems


def _within(graph: Graph, names: Iterable[str]) -> Graph:
    inside = set(names)
    return {name: [target for target in graph.get(name, ()) if target in inside] for name in inside}


def _problem(way: Sequence[str]) -> str:
    names = list(reversed(way))
    if len(names) > _MOST_NAMED:
        names = [*names[: _MOST_NAMED // 2], f"… {len(names) - _MOST_NAMED} more …", *names[-_MOST_NAMED // 2 :]]
    return (
        f"{' → '.join(names)} is a circle of follow-ons, which could send to one user for ever; "
        "break it, or give each campaign on it `eligible_again: never`"
    )


def _targets(conditions: Iterable[InteractionCondition]) -> list[str]:
    return sorted({condition.target for condition in conditions})


def _once_only(entry: Entry, revision: Revision) -> bool:
    follow_on = entry.follow_on(revision)
    return follow_on is None or follow_on.eligible_again == "never"
