"""Show the text of a message if it is kept; if not, say why, and offer a preview of its revision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

NOT_KEPT = "Its text is not kept. To keep the texts of later messages, set CONNECTOR_KEEP_MESSAGES for the workers."
NOT_SENT = "It was not sent; texts are kept only of messages that were."
_NOT_YET = "It has not been sent yet."
_WHY = {"sent": NOT_KEPT, "unknown": NOT_KEPT, "open": _NOT_YET, "claimed": _NOT_YET}
"""Why there is no text, by the state of the message; `NOT_SENT` of all others."""


def message_text(
    viewer: Viewer,
    campaign: str,
    user: str,
    message: Mapping[str, Any],
    content: Mapping[str, Any] | None,
    cut: Sequence[str] = (),
) -> None:
    """Show what a message said, or offer a preview.

    Args:
        message: as `explain` shows it. content: its text, by field; None: not kept. cut: the fields that were cut.
    """
    if content is None:
        _preview_button(viewer, campaign, user, message)
        return
    rendered_message(message["channel"], content)
    if cut:
        words = f"Cut, because only part of a long message is kept: {', '.join(cut)}."
        text(words, "cc-muted cc-small", tag="div")


def _preview_button(viewer: Viewer, campaign: str, user: str, message: Mapping[str, Any]) -> None:
    channel, revision = message["channel"], message["revision"]

    async def show() -> None:
        async def load() -> dict[str, Any]:
            choice = Choice(campaign, user=user, channel=channel, live=revision is None, revision=revision)
            return await preview_messages(viewer.context, choice)

        found = await attempt(load)
        if found is not None:
            _dialog(campaign, user, found)

    with ui.element("div").classes("cc-row cc-small"):
        text(_WHY.get(message["state"], NOT_SENT), "cc-muted")
        label = "What it would say now" if revision is None else f"What revision {revision} says now"
        button = ui.button(label, icon="visibility", on_click=show).props("flat dense")
        by = "the live revision" if revision is None else f"revision {revision}"
        button.props["aria-label"] = f"What {by} of {campaign} says now by {channel.replace('_', ' ')}"


def _dialog(campaign: str, user: str, found: Mapping[str, Any]) -> None:
    with dialog(f"{campaign} for {user}, now", is_wide=True) as opened:
        text(f"Revision {found['revision']}, with what is known of the user now.", "cc-muted", tag="div")
        for message in found["messages"]:
            sentence(message["words"])
            if message["content"] is not None:
                rendered_message(message["channel"], message["content"])
            elif message["fault"] is not None:
                sentence(": ".join(part for part in (message["fault"]["words"], message["fault"]["detail"]) if part))
        with buttons():
            ui.button("Close", on_click=opened.close).props("flat")
