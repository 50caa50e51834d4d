"""The graph of connected campaigns as JSON values, with live counts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue, Entry, Revision
from connector.rules.explaining.graph import Graph, Node, draw_graph
from connector.rules.model.campaigns import AnyDefinition, Workspace
from connector.rules.model.values import format_instant
from connector.rules.timing.days import day_of, start_of_day
from connector.store.engine.transaction import database_now
from connector.store.reporting.live_counts import LiveCounts, count_live
from starter.operations.entries import entry_in
from starter.operations.errors import NotKnown

MAX_NODES = 500
MAX_DEPTH = 10
_NONE = LiveCounts()


async def read_graph(
    context: StoreContext, *, around: str | None = None, search: str | None = None, depth: int = 1, limit: int = 100
) -> dict[str, Any]:
    """Return the campaigns and cards and how they are connected, as `view_graph` has it, with live counts.

    Args:
        around: only what is connected with this campaign or card.
        search: only what is connected with those whose id or name contains this text, in any case of letters.
        depth: how many connections to follow from there, in both directions.
        limit: the largest number of nodes; the nearest stay.

    Raises:
        NotKnown: there is no campaign or card with the id `around`.
    """
    catalogue = await context.cache.at_least(context.database)
    seeds = () if around is None else (entry_in(catalogue, around).id,)
    graph = draw_graph(catalogue, around=seeds, search=search, depth=depth, limit=limit)
    async with context.database.read(context.workspace) as tx:
        zone = catalogue.workspace.zone
        since = start_of_day(day_of(await database_now(tx), zone), zone)
        counts = await count_live(tx, [node.id for node in graph.nodes], since)
    view = view_graph(graph)
    for node in view["nodes"]:
        count = counts.get(node["id"], _NONE)
        node |= {"waiting": count.waiting, "sent_today": count.sent}
    return view


def graph_of_files(
    definitions: Iterable[AnyDefinition], *, around: str | None = None, depth: int = 1, limit: int = MAX_NODES
) -> dict[str, Any]:
    """Return the graph of definitions that were read from files, all of them drafts, without live counts.

    Raises:
        NotKnown: no definition has the id `around`.
    """
    published = [one for one in definitions if not isinstance(one, Workspace)]
    entries = [Entry(definition.id, "draft", (Revision(1, definition),)) for definition in published]
    catalogue = Catalogue().with_entries(entries, version=1)
    if around is not None and around not in catalogue.entries:
        raise NotKnown(f"{around} is in none of the files")
    return view_graph(draw_graph(catalogue, around=() if around is None else (around,), depth=depth, limit=limit))


def view_graph(graph: Graph) -> dict[str, Any]:
    """Return a graph as JSON values.

    `nodes` have `id`, `name`, `state` (null: a follow-on names it, and it does not exist), `kind` (action_based,
    scheduled, external, card), `has_draft`, `live_since`, the events that trigger and cancel it, in words
    (`starts_on`, `cancelled_by`), and its `delay` in words (null of what is no follow-on). With live counts they also
    have `waiting` and `sent_today`.

    `edges` lead `from` what users interact with `to` the follow-on that listens: `role` is trigger or exception,
    `interaction` its type, `text` the same in plain words, `refinement` what narrows it (or null), `delay` how long the
    follow-on waits after a trigger (null of exceptions).

    `total` is how many there are, or match; `has_more` whether nodes were left out because of the limit.
    """
    return {
        "nodes": [_view_node(node) for node in graph.nodes],
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "role": edge.role,
                "interaction": edge.interaction,
                "text": edge.text,
                "refinement": edge.refinement,
                "delay": edge.delay,
            }
            for edge in graph.edges
        ],
        "total": graph.total,
        "has_more": graph.has_more,
    }


def _view_node(node: Node) -> dict[str, Any]:
    events = {"starts_on": list(node.starts_on), "cancelled_by": list(node.cancelled_by)}
    return {**asdict(node), "live_since": format_instant(node.live_since), **events}
