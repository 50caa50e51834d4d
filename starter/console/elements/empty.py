"""Empty states that teach: what would be here, and how it comes here."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from starter.console.elements.text import link, text

FIRST_CAMPAIGNS = (
    "connector init campaigns && connector apply campaigns && connector publish --with-follow-ons abandoned-cart"
)
"""What writes the first campaigns and publishes them, in any folder."""


def empty_state(
    title: str,
    explanation: str,
    *,
    command: str | None = None,
    links: Sequence[tuple[str, str]] = (),
    icon: str = "inbox",
) -> None:
    """Show an empty state.

    Args:
        explanation: what would be here and what makes it appear, in one or two sentences.
        command: a line for a terminal that does it.
        links: labels and paths of pages where one can go on.
    """
    with ui.element("section").classes("cc-empty"):
        ui.icon(icon).props('aria-hidden="true"').classes("cc-empty-icon")
        text(title, "cc-empty-title")
        text(explanation, "cc-muted")
        if command is not None:
            text(command, "cc-command", tag="code")
        if links:
            with ui.element("div").classes("cc-row"):
                for label, path in links:
                    link(label, path)
