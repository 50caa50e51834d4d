"""What a campaign would send to a user now: shown for messages whose texts are not kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from starter.console.elements.dialogs import buttons, dialog
from starter.console.elements.errors import attempt
from starter.console.elements.rendered import rendered_message
from starter.console.elements.sentences import sentence
from starter.console.elements.text import text
from starter.console.state import Viewer
from starter.operations.preview_choice import Choice
from starter.operations.preview_messages import preview_messages

NOT_KEPT = "The text was handed to the provider and is not kept."


def preview_button(viewer: Viewer, campaign: str, user: str, channel: str) -> None:
    """Say that the text is not kept, and offer what the live revision would say now."""

    async def show() -> None:
        async def load() -> dict[str, Any]:
            choice = Choice(campaign=campaign, user=user, channel=channel, live=True)
            return await preview_messages(viewer.context, choice)

        found = await attempt(load)
        if found is not None:
            _dialog(campaign, user, found)

    with ui.element("div").classes("cc-row cc-small"):
        text(NOT_KEPT, "cc-muted")
        button = ui.button("What it would say now", icon="visibility", on_click=show).props("flat dense")
        button.props["aria-label"] = f"What {campaign} would say now by {channel.replace('_', ' ')}"


def _dialog(campaign: str, user: str, found: Mapping[str, Any]) -> None:
    with dialog(f"{campaign} for {user}, now", is_wide=True) as opened:
        for message in found["messages"]:
            sentence(message["words"])
            if message["content"] is not None:
                rendered_message(message["channel"], message["content"])
            elif message["fault"] is not None:
                sentence(": ".join(part for part in (message["fault"]["words"], message["fault"]["detail"]) if part))
        with buttons():
            ui.button("Close", on_click=opened.close).props("flat")
