"""What is shown under an address that no page has."""

from __future__ import annotations

from nicegui import ui

from starter.console.elements.empty import empty_state
from starter.console.layout import frame
from starter.console.page import current_viewer


async def show_not_found() -> None:
    """Show that there is no such page, with the navigation, and answer 404."""
    ui.context.client.status_code = 404
    ui.page_title("Not found · Campaign Connector")
    with frame(current_viewer(), "Not found"):
        empty_state(
            "There is no such page",
            "The address may be misspelled, or of another version.",
            links=(("Overview", "/"), ("Campaigns", "/campaigns")),
            icon="explore_off",
        )
