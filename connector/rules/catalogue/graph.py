"""Directed graphs of names: what hangs together in circles, and in which order the rest comes. Nothing recurses."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence

Graph = Mapping[str, Sequence[str]]
"""From each name to those that it points at; names without an entry point at nothing."""


def cyclic_components(graph: Graph, names: Sequence[str]) -> list[tuple[str, ...]]:
    """The names in groups: those that can reach one another are together, and a group comes before what it points at.

    Linear in names and arrows (Kosaraju's algorithm); the same input gives the same order.
    """
    chosen = set(names)
    backwards: dict[str, list[str]] = defaultdict(list)
    for name in names:
        for target in graph.get(name, ()):
            backwards[target].append(name)
    left_last_first = reversed(list(_in_order_left(graph, names, chosen)))
    seen: set[str] = set()
    return [tuple(_unseen(backwards, name, chosen, seen)) for name in left_last_first if name not in seen]


def shortest_cycle(graph: Graph, start: str) -> list[str] | None:
    """The shortest way from a name back to itself, with it at both ends; None where there is none."""
    came_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for target in graph.get(name, ()):
            if target not in came_from:
                came_from[target] = name
                waiting.append(target)
        if start in came_from:
            return _walked_back(came_from, start)
    return None


def _walked_back(came_from: Mapping[str, str], start: str) -> list[str]:
    way, name = [start], came_from[start]
    while name != start:
        way.append(name)
        name = came_from[name]
    return [*way, start][::-1]


def _in_order_left(graph: Graph, names: Sequence[str], chosen: set[str]) -> Iterator[str]:
    """The names in the order in which a depth-first walk leaves them."""
    seen: set[str] = set()
    for root in names:
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(graph.get(root, ())))]
        while path:
            name, targets = path[-1]
            further = next((target for target in targets if target in chosen and target not in seen), None)
            if further is None:
                path.pop()
                yield name
            else:
                seen.add(further)
                path.append((further, iter(graph.get(further, ()))))


def _unseen(graph: Graph, start: str, chosen: set[str], seen: set[str]) -> Iterator[str]:
    """What can be reached from a name and was not seen before; all of it is seen then."""
    seen.add(start)
    waiting = [start]
    while waiting:
        name = waiting.pop()
        yield name
        for target in graph.get(name, ()):
            if target in chosen and target not in seen:
                seen.add(target)
                waiting.append(target)
