"""`/campaigns`: the list of campaigns and cards."""

from __future__ import annotations

from starter.console.elements.empty import empty_state
from starter.console.page import console_page
from starter.console.state import Viewer


@console_page("/campaigns", title="Campaigns", icon="campaign", position=10)
async def campaigns(viewer: Viewer) -> None:
    """Show the list."""
    empty_state("There are no campaigns yet", "Compose one, or apply one from YAML.")
