"""`/`: what needs a hand, the campaigns in numbers, and the graph of connected campaigns."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nicegui import ui

from starter.api.requests.errors import ApiError
from starter.console.elements.empty import empty_state
from starter.console.elements.errors import show_page_error
from starter.console.elements.graph import CampaignGraph
from starter.console.elements.live import live, watch
from starter.console.elements.numbers import count_of
from starter.console.elements.page_words import in_page_words
from starter.console.elements.search_form import Choice, search_form
from starter.console.elements.text import heading, link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.paths import at, campaign_path
from starter.console.state import Viewer
from starter.operations.graph import read_graph
from starter.operations.overview import read_overview

MAX_NODES = 40
"""How many campaigns the graph shows at once; beyond that people search and see the neighbourhood."""
_MAX_DEPTH = 5
_DEPTHS = {str(steps): f"{count_of(steps, 'step')} around" for steps in range(1, _MAX_DEPTH + 1)}
_ICONS = {
    "overdue": "schedule",
    "unknown": "help_outline",
    "failed": "error_outline",
    "never_triggers": "link_off",
    "would_miss_launch": "swap_vert",
}
_TITLES = {
    "overdue": "Overdue",
    "unknown": "Unknown whether sent",
    "failed": "Failed",
    "never_triggers": "Can never trigger",
    "would_miss_launch": "Publish in this order",
}

_WAYS_OUT = {
    "unknown": "ask the provider whether the message was sent, then settle it on the follow-up's page.",
    "failed": "correct the cause, then send again.",
}


@console_page("/", title="Overview", icon="hub", position=0)
async def overview(viewer: Viewer, search: str = "", depth: int = 1) -> None:
    """Show the overview.

    Args:
        search: the graph begins from the campaigns whose id or name contains this text.
        depth: how many connections it follows from there.
    """
    await live(viewer, "overview", lambda: read_overview(viewer.context, limit=1), _show_overview)
    await _show_graph(viewer, search.strip(), min(max(depth, 1), _MAX_DEPTH))


def _show_overview(found: Mapping[str, Any]) -> None:
    _show_attention(found)
    states = {state: count for state, count in found["states"].items() if count}
    if states:
        with ui.element("p").classes("cc-row cc-muted"):
            for state, count in states.items():
                text(f"{count:,} {state}", "cc-number")
            text(f"Today began at midnight in the zone {found['zone']}.", "cc-small")


def _show_attention(found: Mapping[str, Any]) -> None:
    with ui.element("section").classes("cc-card").props('aria-labelledby="attention"'):
        heading("Needs a hand").props('id="attention"')
        if not found["attention"]:
            text("Nothing: no message is overdue, failed or unknown, and every follow-on can trigger.", "cc-muted")
            return
        with ui.element("ul").classes("cc-attention"):
            for one in found["attention"]:
                _show_item(one)
        if found["more_attention"]:
            text(f"and {found['more_attention']:,} more", "cc-muted")


def _show_item(one: Mapping[str, Any]) -> None:
    tone = "bad" if one["kind"] in ("overdue", "failed", "unknown") else "warn"
    with ui.element("li").classes(f"cc-attention-item {tone}"):
        ui.icon(_ICONS.get(one["kind"], "flag")).props('aria-hidden="true"')
        with ui.element("div").classes("cc-grow"):
            text(_TITLES.get(one["kind"], one["kind"].replace("_", " ")), "cc-attention-title", tag="p")
            _show_text(one)
        with ui.element("div").classes("cc-row"):
            for label, path in _ways(one):
                link(label, path)


def _show_text(one: Mapping[str, Any]) -> None:
    since, words = one["since"], _words(one)
    with ui.element("p"):
        text(words.removesuffix(since) if since else words)
        if since and words.endswith(since):
            moment(since)
    if one["order"]:
        text(f"The order: {', then '.join(one['order'])}.", tag="p")


def _words(one: Mapping[str, Any]) -> str:
    """Return what is so and the way out on these pages, where the text of the operation names commands."""
    if one["kind"] not in _WAYS_OUT:
        return in_page_words(str(one["text"]))
    return f"{count_of(one['count'], 'follow-up')} of {one['campaign']}: {_WAYS_OUT[one['kind']]}"


def _ways(one: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return labels and paths of the pages where a person can do something about it."""
    campaign = one["campaign"]
    if one["kind"] == "overdue":
        return [("Look at them", at("follow-ups", campaign=campaign, state="overdue"))]
    if one["kind"] in ("unknown", "failed"):
        return [("Look at them", at("follow-ups", campaign=campaign, reason=f"send_{one['kind']}"))]
    if one["order"]:
        return [("Publish them together", campaign_path(campaign))]
    return [("Open the campaign", campaign_path(campaign))]


async def _show_graph(viewer: Viewer, search: str, depth: int) -> None:
    load = partial(read_graph, viewer.context, search=search or None, depth=depth, limit=MAX_NODES)
    with ui.element("section").classes("cc-card").props('aria-labelledby="graph"'):
        with ui.element("div").classes("cc-spread"):
            heading("Connected campaigns").props('id="graph"')
            choice = Choice("depth", "How far around it", _DEPTHS, str(depth))
            search_form("/", search, choice, is_filtered=bool(search))
        note = text("", "cc-muted", tag="p").props('role="status"')
        container = ui.element("div").classes("cc-column")
        drawn: list[CampaignGraph] = []

        def show(graph: Mapping[str, Any]) -> None:
            note.set_text(_describe(graph, search))
            note.set_visibility(bool(note.text))
            if drawn and graph["nodes"]:
                drawn[0].show(graph)
                return
            container.clear()
            with container:
                drawn[:] = [CampaignGraph(graph)] if graph["nodes"] else []
                if not graph["nodes"]:
                    _show_empty(search)

        def show_error(error: ApiError) -> None:
            container.clear()
            drawn.clear()
            with container:
                show_page_error(error)

        await watch(viewer, ("graph", search, depth), load, show, show_error)


def _describe(graph: Mapping[str, Any], search: str) -> str:
    """Return a sentence on what the graph shows if it is not everything."""
    shown, total = len(graph["nodes"]), graph["total"]
    if search:
        found = f"{count_of(total, 'campaign matches', 'campaigns match')} “{search}”"
        return f"{found}; the nearest {shown} are shown." if graph["has_more"] else f"{found}, with what is around."
    return f"{shown} of {total:,} campaigns are shown; search for one to see it." if graph["has_more"] else ""


def _show_empty(search: str) -> None:
    if search:
        empty_state("No campaign matches", "The search looks into ids and names.", icon="search_off")
        return
    empty_state(
        "There are no campaigns yet",
        "A follow-on starts when a user interacts with another campaign. Here you will see which campaigns are "
        "connected, what waits, and what was sent today.",
        links=(("Compose a campaign", "/compose"),),
        icon="hub",
    )
