"""`/`: what needs a hand, and the graph of connected campaigns."""

from __future__ import annotations

from starter.console.elements.empty import empty_state
from starter.console.page import console_page
from starter.console.state import Viewer


@console_page("/", title="Overview", icon="hub", position=0)
async def overview(viewer: Viewer) -> None:
    """Show the overview."""
    empty_state("Nothing is published yet", "Compose a campaign, or apply one from YAML.")
