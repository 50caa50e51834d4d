"""The graph of campaigns in Mermaid's language, from its JSON view: for the console and `connector graph`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_MAX_LABEL_CHARACTERS = 60
_CLASSES = ("active", "draft", "stopped", "archived")


def draw_mermaid(graph: Mapping[str, Any], *, link: Callable[[str], str] | None = None) -> str:
    """Return a flowchart: solid arrows for triggers, dashed ones for exceptions.

    Nodes have the class of their state: `active`, `draft`, `stopped`, `archived`, or `missing` for what a follow-on
    names and was never saved.

    Args:
        graph: as `starter.operations.graph.view_graph` returns it, with or without live counts.
        link: returns the address that a click on a node with this id opens; None: nodes are no links.
    """
    names = {node["id"]: f"n{number}" for number, node in enumerate(graph["nodes"])}
    lines = ["flowchart LR", *(_node(node, names) for node in graph["nodes"])]
    lines += [_edge(edge, names) for edge in graph["edges"]]
    if link is not None:
        lines += [f'click {name} href "{link(id)}"' for id, name in names.items()]
    return "\n".join(lines) + "\n"


def escape_label(text: str) -> str:
    """Return a text of a user or marketer that Mermaid shows as it is, and neither parses nor renders.

    Every punctuation mark becomes the code of its character, so none can end a label, begin a directive, a tag or an
    entity. Control characters and line breaks become spaces, and a long text is cut.
    """
    shown = text if len(text) <= _MAX_LABEL_CHARACTERS else text[: _MAX_LABEL_CHARACTERS - 1] + "…"
    return "".join(_escape(character) for character in shown)


def state_class(state: str | None) -> str:
    """Return the class of nodes in this state: one of ours, also if an API that was called has answered another."""
    return state if state is not None and state in _CLASSES else "missing"


def _escape(character: str) -> str:
    if character.isalnum() or character == " " or (ord(character) > 0xA0 and character.isprintable()):
        return character
    return f"#{ord(character)};" if character.isprintable() else " "


def _node(node: Mapping[str, Any], names: Mapping[str, str]) -> str:
    label = "<br/>".join(escape_label(line) for line in _node_lines(node))
    opening, closing = ("([", "])") if node["kind"] in ("external", "card") else ("[", "]")
    return f'{names[node["id"]]}{opening}"{label}"{closing}:::{state_class(node["state"])}'


def _node_lines(node: Mapping[str, Any]) -> Iterator[str]:
    yield node["name"] or node["id"]
    state = node["state"] or "does not exist"
    yield f"{state}, new draft" if node["has_draft"] and state != "draft" else state
    if "waiting" in node and node["state"] is not None:
        yield f"{node['waiting']:,} waiting · {node['sent_today']:,} sent today"
    if node["starts_on"]:
        yield f"starts on {', '.join(node['starts_on'])}"


def _edge(edge: Mapping[str, Any], names: Mapping[str, str]) -> str:
    arrow = "-->" if edge["role"] == "trigger" else "-.->"
    label = "<br/>".join(escape_label(line) for line in _edge_lines(edge))
    return f'{names[edge["from"]]} {arrow}|"{label}"| {names[edge["to"]]}'


def _edge_lines(edge: Mapping[str, Any]) -> Iterator[str]:
    yield edge["text"] if edge["role"] == "trigger" else f"cancelled if: {edge['text']}"
    if edge["refinement"]:
        yield edge["refinement"]
    if edge["delay"]:
        yield edge["delay"]
