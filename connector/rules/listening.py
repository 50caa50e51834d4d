"""Who listens to whom: the graph of follow-ons, its order of publication (P5) and its circles (P6)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Set
from graphlib import CycleError, TopologicalSorter

from connector.rules.campaigns import Campaign
from connector.rules.catalogue import Catalogue, Entry, Revision
from connector.rules.conditions import InteractionCondition


def listens_to(entry: Entry, revision: Revision | None = None) -> tuple[InteractionCondition, ...]:
    """The interactions that trigger a revision of a follow-on, the newest one unless told."""
    follow_on = entry.follow_on(revision or entry.newest)
    conditions = follow_on.trigger if follow_on else ()
    return tuple(c for c in conditions if isinstance(c, InteractionCondition))


def follow_ons_of(catalogue: Catalogue) -> Mapping[str, tuple[str, ...]]:
    """The follow-ons whose newest revision listens to each target."""
    found: dict[str, list[str]] = defaultdict(list)
    for entry in catalogue.entries.values():
        for target in sorted({condition.target for condition in listens_to(entry)}):
            found[target].append(entry.id)
    return {target: tuple(names) for target, names in found.items()}


def publication_order(catalogue: Catalogue, names: Set[str]) -> tuple[str, ...]:
    """The names so that follow-ons come before what they listen to; on an allowed circle, by name (P5)."""
    return tuple(name for group in _groups(catalogue, names) for name in group)


def circles(catalogue: Catalogue, publishing: Set[str]) -> list[str]:
    """P6: a problem for each circle of the live and the being published in which somebody could go round for ever."""
    graph = _triggers(catalogue, publishing)
    problems = []
    for group in _circles(graph):
        if group & publishing and not all(_once_only(catalogue, name, publishing) for name in group):
            way = " → ".join([*sorted(group), min(group)])
            problems.append(
                f"{way} is a circle of follow-ons, which could send for ever; "
                "break it, or give each campaign on it `eligible_again: never`"
            )
    return problems


def _groups(catalogue: Catalogue, names: Set[str]) -> list[list[str]]:
    """Names in order, with each allowed circle as one group."""
    graph = {
        name: {c.target for c in listens_to(catalogue.entries[name]) if c.target in names and c.target != name}
        for name in sorted(names)
    }
    group_of = {name: frozenset([name]) for name in graph}
    for circle in _circles(graph):
        group_of.update(dict.fromkeys(circle, frozenset(circle)))
    before: dict[frozenset[str], set[frozenset[str]]] = {group: set() for group in group_of.values()}
    for listener, targets in graph.items():
        for target in targets:
            if group_of[target] != group_of[listener]:
                before[group_of[target]].add(group_of[listener])
    return [sorted(group) for group in TopologicalSorter(before).static_order()]


def _triggers(catalogue: Catalogue, publishing: Set[str]) -> dict[str, set[str]]:
    """Every live or being published follow-on with its targets among them; only these can go round."""
    names = {entry.id for entry in catalogue.entries.values() if entry.state == "active"} | set(publishing)
    graph = {}
    for name in names:
        entry = catalogue.entries[name]
        revision = entry.newest if name in publishing else entry.live
        targets = {condition.target for condition in listens_to(entry, revision)} & names
        if targets:
            graph[name] = targets
    return graph


def _once_only(catalogue: Catalogue, name: str, publishing: Set[str]) -> bool:
    entry = catalogue.entries[name]
    definition = (entry.newest if name in publishing else entry.live or entry.newest).definition
    follow_on = definition.follow_on if isinstance(definition, Campaign) else None
    return follow_on is None or follow_on.eligible_again == "never"


def _circles(graph: Mapping[str, Set[str]]) -> list[set[str]]:
    """The strongly connected parts with a way round, found one after another; self-loops too."""
    found = [{name} for name, targets in graph.items() if name in targets]
    rest = {name: {t for t in targets if t != name} for name, targets in graph.items()}
    while True:
        try:
            TopologicalSorter(rest).prepare()
        except CycleError as error:
            way = error.args[1]
            part = _connected(rest, way[0])
            found = [circle for circle in found if not circle <= part] + [part]
            rest = {name: targets - part for name, targets in rest.items() if name not in part}
        else:
            return found


def _connected(graph: Mapping[str, Set[str]], start: str) -> set[str]:
    """All that can be reached from `start` and from which `start` can be reached."""
    back: dict[str, set[str]] = defaultdict(set)
    for name, targets in graph.items():
        for target in targets:
            back[target].add(name)
    return _reached(graph, start) & _reached(back, start)


def _reached(graph: Mapping[str, Set[str]], start: str) -> set[str]:
    seen, waiting = {start}, [start]
    while waiting:
        for target in graph.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen
