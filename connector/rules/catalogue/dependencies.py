"""Dependencies of follow-ons on campaigns and cards: publication order (P5) and cycles (P6)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.model.campaigns import Campaign
from connector.rules.model.conditions import InteractionCondition
from connector.rules.model.errors import Fault

Graph = Mapping[str, Sequence[str]]
"""From each name to the names that it points to; a name without an entry points to none."""

_MAX_NAMED = 20
"""The number of campaigns that the problem of a cycle names."""


def trigger_interactions(entry: Entry, revision: Revision | None = None) -> tuple[InteractionCondition, ...]:
    """Return the interactions that trigger a revision of a follow-on, by default the newest one."""
    follow_on = entry.follow_on(revision or entry.newest)
    conditions = follow_on.trigger if follow_on else ()
    return tuple(c for c in conditions if isinstance(c, InteractionCondition))


def follow_ons_of(catalogue: Catalogue) -> Mapping[str, tuple[str, ...]]:
    """Return for each target the follow-ons whose newest revision listens to it."""
    follow_ons: dict[str, list[str]] = defaultdict(list)
    for entry in catalogue.entries.values():
        for target in _targets(trigger_interactions(entry)):
            follow_ons[target].append(entry.id)
    return {target: tuple(names) for target, names in follow_ons.items()}


def with_draft_follow_ons(catalogue: Catalogue, ids: Iterable[str]) -> list[str]:
    """Return the ids and, transitively, the draft follow-ons that listen to them (P5)."""
    chosen = dict.fromkeys(ids)
    pending, follow_ons = list(chosen), follow_ons_of(catalogue)
    while pending:
        for name in follow_ons.get(pending.pop(), ()):
            if name not in chosen and catalogue.entries[name].state == "draft":
                chosen[name] = None
                pending.append(name)
    return list(chosen)


def publication_order(catalogue: Catalogue, names: Set[str]) -> tuple[str, ...]:
    """Sort the names so that follow-ons come before what they listen to; on an allowed cycle, by name (P5)."""
    graph = {name: _targets(trigger_interactions(catalogue.entries[name])) for name in names}
    return tuple(name for component in _strong_components(graph, sorted(names)) for name in sorted(component))


def cycle_problems(catalogue: Catalogue, becoming_live: Mapping[str, Revision]) -> list[Fault]:
    """Return a problem for each cycle of follow-ons that could send to one user without end (P6).

    A cycle is allowed if each campaign on it has `eligible_again: never`. The place of the problem is a trigger of the
    first campaign that has not.

    Args:
        becoming_live: the revisions that an order makes live, besides what is live already.
    """
    live = {entry.id: entry.live for entry in catalogue.entries.values() if entry.live} | dict(becoming_live)
    graph = {name: _targets(trigger_interactions(catalogue.entries[name], revision)) for name, revision in live.items()}
    graph = {name: [target for target in targets if target in live] for name, targets in graph.items() if targets}
    problems = list[Fault]()
    for component in _strong_components(graph, sorted(live)):
        if becoming_live.keys().isdisjoint(component):
            continue
        repeating = (name for name in sorted(component) if not _sends_once(catalogue.entries[name], live[name]))
        start = next(repeating, None)
        cycle = _shortest_cycle(_subgraph(graph, component), start) if start else None
        problems += [_cycle_problem(cycle, live[cycle[0]])] if cycle else []
    return problems


def _cycle_problem(cycle: Sequence[str], revision: Revision) -> Fault:
    """Return the problem of a cycle, from each campaign to the one that it listens to; the revision is the first's."""
    names = list(reversed(cycle))
    if len(names) > _MAX_NAMED:
        names = [*names[: _MAX_NAMED // 2], f"… {len(names) - _MAX_NAMED} more …", *names[-_MAX_NAMED // 2 :]]
    follow_on = revision.definition.follow_on if isinstance(revision.definition, Campaign) else None
    conditions = enumerate(follow_on.trigger if follow_on else ())
    place = next(n for n, one in conditions if isinstance(one, InteractionCondition) and one.target == cycle[1])
    problem = (
        f"{' → '.join(names)} is a cycle of follow-ons, which could send to one user for ever; "
        "break it, or give each campaign on it `eligible_again: never`"
    )
    return Fault(f"delivery.trigger[{place}].campaign", problem, id=cycle[0])


def _targets(conditions: Iterable[InteractionCondition]) -> list[str]:
    return sorted({condition.target for condition in conditions})


def _sends_once(entry: Entry, revision: Revision) -> bool:
    follow_on = entry.follow_on(revision)
    return follow_on is None or follow_on.eligible_again == "never"


def _subgraph(graph: Graph, names: Iterable[str]) -> Graph:
    inside = set(names)
    return {name: [target for target in graph.get(name, ()) if target in inside] for name in inside}


# The graph algorithms below are iterative: a chain of follow-ons can be longer than Python's recursion limit.


def _strong_components(graph: Graph, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Return the strongly connected components, each before those that it points to (Kosaraju's algorithm).

    Linear in names and edges; the same input gives the same order.
    """
    chosen = set(names)
    reverse: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for target in graph.get(name, ()):
            reverse[target].append(name)
    last_finished_first = reversed(list(_finishing_order(graph, names, chosen)))
    seen: set[str] = set()
    return [tuple(_unseen_reachable(reverse, name, chosen, seen)) for name in last_finished_first if name not in seen]


def _finishing_order(graph: Graph, names: Sequence[str], chosen: set[str]) -> Iterator[str]:
    """Yield the names in the order in which a depth-first search finishes them."""
    seen: set[str] = set()
    for root in names:
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(graph.get(root, ())))]
        while path:
            name, targets = path[-1]
            target = next((target for target in targets if target in chosen and target not in seen), None)
            if target is None:
                path.pop()
                yield name
            else:
                seen.add(target)
                path.append((target, iter(graph.get(target, ()))))


def _unseen_reachable(graph: Graph, start: str, chosen: set[str], seen: set[str]) -> Iterator[str]:
    """Yield the unseen names that are reachable from `start`, itself included, and mark them as seen."""
    seen.add(start)
    pending = [start]
    while pending:
        name = pending.pop()
        yield name
        for target in graph.get(name, ()):
            if target in chosen and target not in seen:
                seen.add(target)
                pending.append(target)


def _shortest_cycle(graph: Graph, start: str) -> list[str] | None:
    """Return the shortest path from `start` back to itself, with it at both ends; None if there is none."""
    predecessors: dict[str, str] = {}
    pending = deque([start])
    while pending:
        name = pending.popleft()
        for target in graph.get(name, ()):
            if target not in predecessors:
                predecessors[target] = name
                pending.append(target)
        if start in predecessors:
            return _trace_path(predecessors, start)
    return None


def _trace_path(predecessors: Mapping[str, str], start: str) -> list[str]:
    path, name = [start], predecessors[start]
    while name != start:
        path.append(name)
        name = predecessors[name]
    return [*path, start][::-1]
