"""What is in a user's inbox, as an app shows it."""

from __future__ import annotations

from nicegui import ui

from starter.console.elements.chips import chip
from starter.console.elements.rendered import rendered_message
from starter.console.elements.text import heading, link, text
from starter.console.elements.times import moment
from starter.console.paths import campaign_path
from starter.console.state import Viewer
from starter.operations.inbox import read_inbox

_SHOWN = 20


async def inbox(viewer: Viewer, id: str) -> None:
    """Show the first messages, unless the inbox is empty."""
    found = await read_inbox(viewer.context, id, limit=_SHOWN)
    if not found["messages"]:
        return
    with ui.element("section").classes("cc-card"):
        heading("Inbox", 2)
        with ui.element("div").classes("cc-grid"):
            for message in found["messages"]:
                with ui.element("article").classes("cc-column"):
                    with ui.element("div").classes("cc-row cc-tight"):
                        text(message["kind"].replace("_", " "), classes="cc-tag")
                        of = message["campaign"] or message["card"]
                        link(of, campaign_path(of))
                        chip("viewed" if message["viewed"] else "unread")
                        moment(message["created_at"])
                    rendered_message(message["kind"], message["content"])
        if found["is_cut"]:
            text(f"The first {_SHOWN} messages; there are more.", tag="div", classes="cc-muted")
