"""The graph of connected campaigns: which follow-on listens to which campaign or card, and what cancels it there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle, Revision
from connector.rules.explaining.plain_words import describe_delay, describe_interaction, describe_refinement
from connector.rules.model.campaigns import ActionBased, Campaign
from connector.rules.model.conditions import Condition, InteractionCondition

Role = Literal["trigger", "exception"]
Kind = Literal["action_based", "scheduled", "external", "card"]


@dataclass(frozen=True)
class Node:
    """A campaign or card.

    Args:
        state: None: a follow-on names it, and it does not exist.
        kind: the delivery of the shown revision, or `card`; None if it does not exist.
        has_draft: whether a revision was saved that is not live; of a draft always true.
        live_since: when the live revision took effect, UTC; None unless it is active.
        starts_on: the events that trigger it, in words.
        cancelled_by: the events that are its exceptions, in words.
        delay: how long it waits after its trigger, in words; None of what is no follow-on.
    """

    id: str
    name: str | None
    state: Lifecycle | None
    kind: Kind | None
    has_draft: bool = False
    live_since: datetime | None = None
    starts_on: tuple[str, ...] = ()
    cancelled_by: tuple[str, ...] = ()
    delay: str | None = None


@dataclass(frozen=True)
class Edge:
    """One condition of a follow-on on a campaign or card.

    Args:
        source: the campaign or card that users interact with.
        target: the follow-on that listens.
        text: what a user does, in plain words.
        refinement: what narrows it, in words; None: nothing does.
        delay: of a trigger, how long the follow-on waits, in words; None of exceptions.
    """

    source: str
    target: str
    role: Role
    interaction: str
    text: str
    refinement: str | None = None
    delay: str | None = None


@dataclass(frozen=True)
class Graph:
    """A part of the graph: nodes by id, and all edges between them.

    Args:
        total: how many campaigns and cards there are, or how many match the search.
        has_more: whether nodes were left out because of the limit.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    total: int
    has_more: bool


def draw_graph(
    catalogue: Catalogue, *, around: Sequence[str] = (), search: str | None = None, depth: int = 1, limit: int = 100
) -> Graph:
    """Return the whole graph, or what is connected with some campaigns, as the shown revisions have it.

    The live revision is shown, or the newest one of what is not live. Without `around` and `search` archived entries
    are left out, and those that are connected come first.

    Args:
        around: ids of campaigns and cards from which to begin.
        search: begin from those whose id or name contains this text, in any case of letters.
        depth: how many edges to follow from there, in both directions.
        limit: the largest number of nodes; the nearest stay, at first what is connected with an id that is the search.
    """
    edges = list(_edges(catalogue))
    neighbours: dict[str, set[str]] = defaultdict(set)
    for edge in edges:
        neighbours[edge.source].add(edge.target)
        neighbours[edge.target].add(edge.source)
    if around or search is not None:
        found = [*around, *(_matches(catalogue, search) if search is not None else ())]
        exact = [name for name in found if search is not None and name.casefold() == search.casefold()]
        nearest = [*_within(exact, neighbours, depth), *_within(found, neighbours, depth)]
        wanted = list(dict.fromkeys(nearest))
        total = len(set(found))
    else:
        kept = [entry.id for entry in catalogue.entries.values() if entry.state != "archived"]
        total = len(kept)
        kept += [name for name in neighbours if name not in catalogue.entries]
        wanted = sorted(kept, key=lambda name: (name not in neighbours, name))
    chosen = set(wanted[:limit])
    nodes = tuple(_node(catalogue, name) for name in sorted(chosen))
    shown = tuple(edge for edge in edges if edge.source in chosen and edge.target in chosen)
    return Graph(nodes, shown, total, len(wanted) > limit)


def shown_revision(entry: Entry) -> Revision:
    """Return the revision that the graph shows: the live one, else the newest."""
    return entry.live or entry.newest


def _edges(catalogue: Catalogue) -> Iterator[Edge]:
    """Yield the edges of all entries that are not archived, by follow-on."""
    for name in sorted(catalogue.entries):
        entry = catalogue.entries[name]
        follow_on = None if entry.state == "archived" else entry.follow_on(shown_revision(entry))
        if follow_on is not None:
            delay = describe_delay(follow_on.delay)
            yield from (_edge(name, "trigger", one, delay) for one in _on_targets(follow_on.trigger))
            yield from (_edge(name, "exception", one, None) for one in _on_targets(follow_on.exceptions))


def _on_targets(conditions: Iterable[Condition]) -> Iterator[InteractionCondition]:
    return (condition for condition in conditions if isinstance(condition, InteractionCondition))


def _edge(name: str, role: Role, condition: InteractionCondition, delay: str | None) -> Edge:
    text, refinement = describe_interaction(condition), describe_refinement(condition)
    return Edge(condition.target, name, role, condition.interaction.value, text, refinement, delay)


def _node(catalogue: Catalogue, name: str) -> Node:
    entry = catalogue.entries.get(name)
    if entry is None:
        return Node(name, None, None, None)
    revision = shown_revision(entry)
    definition, follow_on = revision.definition, entry.follow_on(revision)
    campaign = definition if isinstance(definition, Campaign) else None
    return Node(
        id=name,
        name=campaign.name if campaign else None,
        state=entry.state,
        kind=campaign.delivery.type if campaign else "card",
        has_draft=entry.newest.effective_at is None,
        live_since=entry.live.effective_at if entry.live else None,
        starts_on=_events(follow_on, "trigger"),
        cancelled_by=_events(follow_on, "exceptions"),
        delay=describe_delay(follow_on.delay) if follow_on else None,
    )


def _events(follow_on: ActionBased | None, key: str) -> tuple[str, ...]:
    conditions: Sequence[Condition] = getattr(follow_on, key) if follow_on else ()
    events = (condition for condition in conditions if not isinstance(condition, InteractionCondition))
    return tuple(_with_refinement(condition) for condition in events)


def _with_refinement(condition: Condition) -> str:
    refinement = describe_refinement(condition)
    return describe_interaction(condition) + (f" ({refinement})" if refinement else "")


def _matches(catalogue: Catalogue, search: str) -> list[str]:
    """Return the ids of the entries whose id or name contains the text, exact ids first."""
    text = search.casefold()
    found = [entry.id for entry in catalogue.entries.values() if any(text in name for name in _names(entry))]
    return sorted(found, key=lambda name: (name.casefold() != text, not name.casefold().startswith(text), name))


def _names(entry: Entry) -> Iterator[str]:
    yield entry.id.casefold()
    definition = entry.newest.definition
    if isinstance(definition, Campaign) and definition.name:
        yield definition.name.casefold()


def _within(seeds: Iterable[str], neighbours: Mapping[str, set[str]], depth: int) -> list[str]:
    """Return the seeds and what is at most so many edges away, the nearest first."""
    found = dict.fromkeys(seeds)
    frontier = list(found)
    for _ in range(depth):
        frontier = sorted({near for name in frontier for near in neighbours.get(name, ()) if near not in found})
        found |= dict.fromkeys(frontier)
    return list(found)
