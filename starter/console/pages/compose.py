"""`/compose`: compose a campaign or a card; `/compose/{id}`: edit the newest revision of one."""

from __future__ import annotations

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.compose.composition import Composition
from starter.console.compose.page import ComposePage
from starter.console.compose.starts import STARTS
from starter.console.elements.chips import chip
from starter.console.elements.empty import empty_state
from starter.console.elements.text import link, text
from starter.console.page import console_page
from starter.console.paths import at, campaign_path
from starter.console.state import Viewer
from starter.operations.compose import open_definition
from starter.operations.errors import NotKnown


@console_page("/compose", title="Compose", icon="edit_note", position=20, scope=Scope.READ)
async def compose(viewer: Viewer, kind: str = "action_based") -> None:
    """Compose a new definition of a kind."""
    with ui.element("nav").classes("cc-row").props('aria-label="What to compose"'):
        for name, (label, _) in STARTS.items():
            shown = label.split(":")[0] if name != "external" else "Reported by another system"
            chosen = link(shown, at("compose", kind=name), "cf-kind")
            if name == kind:
                chosen.props["aria-current"] = "page"
    _, start = STARTS.get(kind, STARTS["action_based"])
    ComposePage(viewer, Composition(start)).build()


@console_page("/compose/{id}", title="Compose", scope=Scope.READ)
async def edit(viewer: Viewer, id: str) -> None:
    """Edit the newest revision of a campaign or a card."""
    try:
        opened = await open_definition(viewer.context, id)
    except NotKnown:
        empty_state(
            f"There is no campaign or card {id}",
            "It may have another id.",
            links=[("Compose a new one", "/compose"), ("All campaigns", "/campaigns")],
        )
        return
    with ui.element("div").classes("cc-row cf-lead"):
        chip(opened["state"])
        link(id, campaign_path(id))
        live = opened["live_revision"]
        text(f"Revision {live} is live" if live else "No revision is live", "cc-muted")
    ComposePage(viewer, Composition(opened["yaml"], {id: opened["revision"]})).build()
