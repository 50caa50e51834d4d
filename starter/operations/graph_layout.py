"""Lay out a graph of campaigns from left to right: what is interacted with stands left of what listens to it.

As in Sugiyama's method: nodes get columns by the longest way that leads to them, a long edge gets a place of its own in
each column that it passes, and columns are ordered by the mean places of neighbours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import Any

NODE_WIDTH, GAP_WIDTH, GAP_HEIGHT, PORT_HEIGHT, LINE_HEIGHT, MARGIN = 236.0, 236.0, 26.0, 34.0, 15.0, 16.0
BEND_WIDTH = 60.0
"""The room beside the nodes that an edge needs which leads back."""
_PASS_HEIGHT = 4.0
_SWEEPS = 6
_COLUMNS_OF_LONELY = 4


@dataclass(frozen=True)
class Box:
    """The place of a node, in pixels."""

    x: float
    y: float
    height: float

    @property
    def middle(self) -> float:
        """The vertical middle."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Layout:
    """The place of everything, in pixels.

    Args:
        ports: the height at which each edge enters its target.
        ways: for each edge the left end and the height of its part in each column that it passes.
    """

    boxes: Mapping[str, Box]
    ports: Sequence[float]
    ways: Sequence[Sequence[tuple[float, float]]]
    width: float
    height: float


def lay_out(heights: Mapping[str, float], edges: Sequence[Mapping[str, Any]]) -> Layout:
    """Place nodes in columns, so that few edges cross; nodes without edges stand in rows below.

    Args:
        heights: the least height of each node, by id; a node with many edges gets a larger one.
        edges: with `from` and `to`, which are among the nodes.
    """
    entering: dict[str, list[int]] = defaultdict(list)
    for number, edge in enumerate(edges):
        entering[edge["to"]].append(number)
    sizes = {id: max(height, len(entering[id]) * PORT_HEIGHT + 8) for id, height in heights.items()}
    connected = {edge[end] for edge in edges for end in ("from", "to")}
    ranks = _ranks([id for id in heights if id in connected], edges)
    columns, links = _columns(ranks, edges)
    boxes = _stack(_order(columns, links), sizes, MARGIN + (GAP_WIDTH if _has_cycle(ranks, edges) else 0))
    ways = [
        [
            (box.x, box.middle)
            for rank in range(ranks[edge["from"]] + 1, ranks[edge["to"]])
            if (box := boxes.pop(_pass(number, rank)))
        ]
        for number, edge in enumerate(edges)
    ]
    bottom = max((box.y + box.height + GAP_HEIGHT for box in boxes.values()), default=MARGIN)
    boxes |= _place_rows([id for id in heights if id not in connected], sizes, bottom)
    ports = [0.0] * len(edges)
    for id, numbers in entering.items():
        numbers.sort(key=lambda number: ways[number][-1][1] if ways[number] else boxes[edges[number]["from"]].middle)
        for place, number in enumerate(numbers):
            ports[number] = boxes[id].middle + (place - (len(numbers) - 1) / 2) * PORT_HEIGHT
    width = max((box.x + NODE_WIDTH for box in boxes.values()), default=0.0) + MARGIN
    height = max((box.y + box.height for box in boxes.values()), default=0.0) + MARGIN
    return Layout(boxes, ports, ways, width + BEND_WIDTH, height)


def _ranks(nodes: Sequence[str], edges: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return the length of the longest way that leads to each node; an edge that closes a cycle is left out."""
    listeners: dict[str, list[str]] = defaultdict(list)
    missing = dict.fromkeys(nodes, 0)
    for source, target in {(edge["from"], edge["to"]) for edge in edges if edge["from"] != edge["to"]}:
        listeners[source].append(target)
        missing[target] += 1
    ranks = dict.fromkeys(nodes, 0)
    ready, waiting = [id for id in nodes if not missing[id]], dict.fromkeys(nodes)
    while waiting:
        id = ready.pop() if ready else next(iter(waiting))  # every one that is left is on a cycle, or behind one
        waiting.pop(id)
        for target in listeners[id]:
            if target in waiting:
                ranks[target] = max(ranks[target], ranks[id] + 1)
                missing[target] -= 1
                if not missing[target]:
                    ready.append(target)
    return ranks


def _has_cycle(ranks: Mapping[str, int], edges: Sequence[Mapping[str, Any]]) -> bool:
    return any(ranks[edge["from"]] >= ranks[edge["to"]] for edge in edges)


def _pass(edge: int, rank: int) -> str:
    """Return the name of the place of an edge in a column that it passes; no id has a line break."""
    return f"{edge}\n{rank}"


def _columns(
    ranks: Mapping[str, int], edges: Sequence[Mapping[str, Any]]
) -> tuple[list[list[str]], Mapping[str, Sequence[str]]]:
    """Return the nodes and the passing edges by column, and what each is linked with."""
    columns: list[list[str]] = [[] for _ in range(max(ranks.values(), default=-1) + 1)]
    for id, rank in ranks.items():
        columns[rank].append(id)
    links: dict[str, list[str]] = defaultdict(list)
    for number, edge in enumerate(edges):
        passed = range(ranks[edge["from"]] + 1, ranks[edge["to"]])
        for rank in passed:
            columns[rank].append(_pass(number, rank))
        chain = [edge["from"], *(_pass(number, rank) for rank in passed), edge["to"]]
        for one, other in pairwise(chain):
            links[one].append(other)
            links[other].append(one)
    return columns, links


def _order(columns: list[list[str]], links: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Order each column by the mean place of its neighbours, to and fro, which leaves few crossings."""
    for sweep in range(_SWEEPS):
        for column in columns if sweep % 2 == 0 else reversed(columns):
            places = {id: place / len(other) for other in columns for place, id in enumerate(other)}
            means = {id: fmean(places[near] for near in links[id]) for id in column}
            column.sort(key=means.__getitem__)
    return columns


def _stack(columns: Sequence[Sequence[str]], sizes: Mapping[str, float], left: float) -> dict[str, Box]:
    """Place columns side by side, each in the middle of the height of the highest."""
    totals = [sum(sizes.get(id, _PASS_HEIGHT) + GAP_HEIGHT for id in column) for column in columns]
    boxes = {}
    for number, column in enumerate(columns):
        y = MARGIN + (max(totals) - totals[number]) / 2
        for id in column:
            height = sizes.get(id, _PASS_HEIGHT)
            boxes[id] = Box(left + number * (NODE_WIDTH + GAP_WIDTH), round(y, 1), height)
            y += height + GAP_HEIGHT
    return boxes


def _place_rows(nodes: Sequence[str], sizes: Mapping[str, float], top: float) -> dict[str, Box]:
    boxes, y = {}, top
    for start in range(0, len(nodes), _COLUMNS_OF_LONELY):
        row = nodes[start : start + _COLUMNS_OF_LONELY]
        for place, id in enumerate(row):
            boxes[id] = Box(MARGIN + place * (NODE_WIDTH + GAP_HEIGHT), round(y, 1), sizes[id])
        y += max(sizes[id] for id in row) + GAP_HEIGHT
    return boxes
