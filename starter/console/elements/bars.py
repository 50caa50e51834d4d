"""Horizontal bars with a label and a number each; a bar may lead to what it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nicegui import ui

from starter.console.elements.text import link, text


@dataclass(frozen=True)
class Bar:
    """One bar.

    Args:
        note: what stands beside the number, such as a share.
        path: the page that lists what is counted; None: no link.
        tone: `good`, `bad`, `warn`, `wait`, or nothing for a neutral colour.
    """

    label: str
    count: int
    note: str = ""
    path: str | None = None
    tone: str = ""


def bars(rows: Sequence[Bar], *, label: str) -> None:
    """Show bars as a list; that of the largest count is full.

    Args:
        label: what they show, for readers of screens.
    """
    full = max([*(row.count for row in rows), 1])
    with ui.element("ul").classes("cc-bars") as listed:
        listed.props["aria-label"] = label
        for row in rows:
            with ui.element("li").classes("cc-bar"):
                if row.path is None:
                    text(row.label, "cc-bar-label")
                else:
                    link(row.label, row.path, "cc-bar-label cc-link")
                text(f"{row.count:,}", "cc-bar-count cc-number")
                text(row.note, "cc-bar-note cc-muted cc-number")
                with ui.element("div").classes("cc-bar-track").props('aria-hidden="true"'):
                    fill = ui.element("div").classes(f"cc-bar-fill {row.tone}")
                    fill.style(f"width: {max(100 * row.count / full, 0.5 if row.count else 0):.2f}%")
