"""Empty states that teach: what would be here, and how it comes here."""

from __future__ import annotations

from collections.abc import Sequence

from nicegui import ui

from starter.console.elements.text import link, text

_FIRST_CAMPAIGNS = (
    "connector init campaigns && connector apply campaigns && connector publish --with-follow-ons abandoned-cart"
)
"""Writes examples, applies them and publishes one: works in any folder."""


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


def no_campaigns(search: str, explanation: str, *, icon: str) -> None:
    """Show that a search found no campaign, or that there is none yet.

    Args:
        search: empty: there is none at all.
        explanation: what would be here, if there is none at all.
    """
    if search:
        empty_state("No campaign matches", "The search looks into ids and names.", icon="search_off")
        return
    empty_state(
        "There are no campaigns yet",
        explanation,
        command=_FIRST_CAMPAIGNS,
        links=(("Compose a campaign", "/compose"),),
        icon=icon,
    )
