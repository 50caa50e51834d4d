"""The graph of campaigns: drawn by Mermaid in the browser, with a legend; a click on a node opens its campaign."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from starter.console.elements.text import text
from starter.console.paths import at
from starter.operations.mermaid import draw_mermaid

_CONFIG = {
    "securityLevel": "strict",  # links are checked, scripts are impossible, and labels are text
    "startOnLoad": False,
    "maxTextSize": 1_000_000,
    "maxEdges": 2_000,
    "fontFamily": "system-ui, sans-serif",
    "theme": "base",
    "flowchart": {
        "curve": "basis",
        "nodeSpacing": 28,
        "rankSpacing": 28,
        "padding": 6,
        "useMaxWidth": False,
        "wrappingWidth": 240,
    },
}
_LEGEND = (
    ("good", "active"),
    ("warn", "draft"),
    ("idle", "stopped"),
    ("bad", "does not exist"),
)


class CampaignGraph:
    """A graph that can be shown again with other counts, without being built again."""

    def __init__(self, graph: Mapping[str, Any]) -> None:
        with ui.element("div").classes("cc-graph-scroll").props('tabindex="0" role="region"') as region:
            region.props["aria-label"] = "Graph of connected campaigns; the list of campaigns has the same in words"
            self._drawing = ui.mermaid(_draw(graph), _CONFIG).classes("cc-graph")
        _legend()

    def show(self, graph: Mapping[str, Any]) -> None:
        """Show another state of the graph."""
        self._drawing.set_content(_draw(graph))


def _draw(graph: Mapping[str, Any]) -> str:
    return draw_mermaid(graph, link=lambda id: at("campaigns", id))


def _legend() -> None:
    with ui.element("ul").classes("cc-legend").props('aria-label="Legend"'):
        for tone, label in _LEGEND:
            text(label, f"cc-chip {tone}", tag="li")
        for kind, label in (("solid", "starts the follow-on"), ("dashed", "is an exception, which cancels it")):
            with ui.element("li").classes("cc-legend-line"):
                text("", f"cc-line {kind}")
                text(label)
