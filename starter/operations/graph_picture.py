"""Draw the graph of campaigns as SVG, for light and dark screens, from its JSON view (`view_graph`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from starter.operations.graph_layout import BEND_WIDTH, GAP_WIDTH, LINE_HEIGHT, NODE_WIDTH, Box, Layout, lay_out
from starter.operations.mermaid import state_class

_MOST_IN_TITLE, _MOST_IN_NODE, _MOST_ON_EDGE = 28, 36, 38
_STYLE = """
svg { --paper: #ffffff; --ink: #1f2328; --soft: #59636e; --rule: #8c959f; --node: #f6f8fa; --active: #1a7f37;
  --draft: #9a6700; --stopped: #6e7781; --missing: #cf222e; font: 12px system-ui, sans-serif; }
@media (prefers-color-scheme: dark) { svg { --paper: #0d1117; --ink: #e6edf3; --soft: #9198a1; --rule: #6e7681;
  --node: #151b23; --active: #3fb950; --draft: #d29922; --stopped: #9198a1; --missing: #f85149; } }
.paper { fill: var(--paper); } text { fill: var(--ink); } .id { font-weight: 600; } .soft { fill: var(--soft); }
.active { fill: var(--active); } .draft { fill: var(--draft); } .missing { fill: var(--missing); }
.stopped, .archived { fill: var(--stopped); } rect.active { stroke: var(--active); }
rect.draft { stroke: var(--draft); } rect.stopped, rect.archived { stroke: var(--stopped); }
rect.missing { stroke: var(--missing); }
rect.node { fill: var(--node); stroke-width: 1.5; }
.edge { fill: none; stroke: var(--rule); stroke-width: 1.5; } .exception { stroke-dasharray: 5 4; }
.head { fill: var(--rule); } .on { stroke: var(--paper); stroke-width: 4px; paint-order: stroke; font-size: 11px; }
"""


def draw_graph_picture(graph: Mapping[str, Any]) -> str:
    """Return the picture: solid arrows for triggers, dashed ones for exceptions, nodes in the colour of their state.

    Args:
        graph: as `starter.operations.graph.view_graph` returns it, with or without live counts.
    """
    lines = {node["id"]: list(_node_lines(node)) for node in graph["nodes"]}
    heights = {id: len(texts) * LINE_HEIGHT + 18 for id, texts in lines.items()}
    layout = lay_out(heights, graph["edges"])
    parts = [part for number, edge in enumerate(graph["edges"]) for part in _edge(edge, layout, number)]
    for node in graph["nodes"]:
        parts += _node(node, lines[node["id"]], layout.boxes[node["id"]])
    if graph["has_more"]:
        parts.append(_text(16, layout.height + 8, "more are left out", "soft"))
    return _page(parts, max(layout.width, 320), layout.height + 24)


def _node_lines(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the lines of a node, each with its class."""
    yield node["name"] or node["id"], "id"
    state = node["state"] or "does not exist"
    shown = f"{state}, new draft" if node["has_draft"] and state != "draft" else state
    if node["kind"] in ("external", "card", "scheduled"):
        shown += {"external": " · external", "card": " · card", "scheduled": " · scheduled"}[node["kind"]]
    yield shown, state_class(node["state"])
    if "waiting" in node and node["state"] is not None:
        yield f"{node['waiting']:,} waiting · {node['sent_today']:,} sent today", "soft"
    if node["starts_on"]:
        yield f"starts on {', '.join(node['starts_on'])}", "soft"
    if node["cancelled_by"]:
        yield f"cancelled by {', '.join(node['cancelled_by'])}", "soft"


def _node(node: Mapping[str, Any], lines: list[tuple[str, str]], box: Box) -> Iterator[str]:
    kind = state_class(node["state"])
    rounding = 14 if node["kind"] in ("external", "card") else 5
    place = f'x="{box.x:g}" y="{box.y:g}" height="{box.height:g}"'
    yield f"<g><title>{_clean(node['id'])}</title>"
    yield f'<rect class="node {kind}" {place} width="{NODE_WIDTH:g}" rx="{rounding}"/>'
    top = box.middle - len(lines) * LINE_HEIGHT / 2 + 11
    for number, (text, style) in enumerate(lines):
        yield _text(
            box.x + 14,
            top + number * LINE_HEIGHT,
            _cut(text, _MOST_IN_TITLE if style == "id" else _MOST_IN_NODE),
            style,
        )
    yield "</g>"


def _edge(edge: Mapping[str, Any], layout: Layout, number: int) -> Iterator[str]:
    end, kind = layout.boxes[edge["to"]].x, "edge" if edge["role"] == "trigger" else "edge exception"
    path = _path(layout.boxes[edge["from"]], layout.boxes[edge["to"]], layout.ways[number], layout.ports[number])
    port = layout.ports[number]
    # The label stands on the last part, which belongs to this edge alone.
    first = edge["text"] if edge["role"] == "trigger" else f"unless: {edge['text']}"
    second = " · ".join(part for part in (edge["refinement"], edge["delay"]) if part)
    yield f"<g><title>{_clean(' · '.join(filter(None, (first, second))))}</title>"
    yield f'<path class="{kind}" d="{path}" marker-end="url(#head)"/>'
    yield _text(end - 14, port - 5, _cut(first, _MOST_ON_EDGE), "on", "end")
    if second:
        yield _text(end - 14, port + 13, _cut(second, _MOST_ON_EDGE), "on soft", "end")
    yield "</g>"


def _path(source: Box, target: Box, way: Sequence[tuple[float, float]], port: float) -> str:
    """Return the path of an edge: a curve in each gap between columns; one that leads back goes around below."""
    x, y = source.x + NODE_WIDTH, source.middle
    if source.x >= target.x:
        low = max(source.y + source.height, target.y + target.height) + 14
        out, back = x + BEND_WIDTH, target.x - BEND_WIDTH
        return (
            f"M {x:g} {y:g} C {out:g} {y:g} {out:g} {low:g} {x:g} {low:g} L {target.x:g} {low:g} "
            f"C {back:g} {low:g} {back:g} {port:g} {target.x - 9:g} {port:g}"
        )
    parts = [f"M {x:g} {y:g}"]
    for left, height in [*way, (target.x, port)]:
        bend = left - GAP_WIDTH
        parts.append(f"C {bend + 36:g} {y:g} {bend + 14:g} {height:g} {bend + 56:g} {height:g}")
        x, y = left + NODE_WIDTH, height
        parts.append(f"L {target.x - 9 if left == target.x else x:g} {height:g}")
    return " ".join(parts)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{_clean(text)}</text>'


def _clean(text: str) -> str:
    """Return a text as XML has it: escaped, and without control characters, which have no place there."""
    return escape("".join(character if character.isprintable() else " " for character in text))


def _page(parts: list[str], width: float, height: float) -> str:
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    marker = (
        '<defs><marker id="head" viewBox="0 0 10 10" refX="2" refY="5" markerWidth="9" markerHeight="9" '
        'markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M 0 0 L 10 5 L 0 10 z"/></marker></defs>'
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
    title = "<title>Campaigns and what they listen to</title>"
    paper = f'<rect class="paper" width="{width:g}" height="{height:g}"/>'
    return "\n".join([head, title, f"<style>{_STYLE}</style>", marker, paper, *parts, "</svg>", ""])
