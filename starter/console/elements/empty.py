"""Empty states that teach: what would be here, and how it comes here."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from starter.console.elements.text import link, text


def empty_state(
    title: str,
    explanation: str,
    *,
    links: Sequence[tuple[str, str]] = (),
    icon: str = "inbox",
) -> None:
    """Show an empty state.

    Args:
        explanation: what would be here and what makes it appear, in one or two sentences.
        links: labels and paths of pages where one can go on.
    """
    with ui.element("section").classes("cc-empty"):
        ui.icon(icon).props('aria-hidden="true"').classes("cc-empty-icon")
        text(title, "cc-empty-title")
        text(explanation, "cc-muted")
        if links:
            with ui.element("div").classes("cc-row"):
                for label, path in links:
                    link(label, path)
