"""Settle a message whose result is unknown: the operator asked the provider, and says whether it was sent."""

from __future__ import annotations

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.dialogs import buttons, dialog, reason_field, reason_in
from starter.console.elements.errors import attempt
from starter.console.elements.text import text
from starter.console.state import Viewer
from starter.operations.settling import settle


def settle_button(viewer: Viewer, id: str, channel: str) -> None:
    """Add the button that settles the message of one channel. The caller shows it to viewers with `manage` only."""
    label = f"Settle {channel.replace('_', ' ')}…"
    ui.button(label, on_click=lambda: _ask(viewer, id, channel)).props("outline dense")


def _ask(viewer: Viewer, id: str, channel: str) -> None:
    with dialog(f"Was the {channel.replace('_', ' ')} message sent?") as opened:
        text(f"Ask the provider for the delivery {id}.{channel}, and write down what it said.", tag="p")
        text("Sent: it counts as received at its dispatch, and may start follow-ups.", tag="p")
        text("Not sent: it counts as failed, and can be sent again.", tag="p")
        note = reason_field("What the provider said")

        async def settle_as(*, was_sent: bool) -> None:
            async def act() -> dict[str, object]:
                actor, why = await viewer.actor(Scope.MANAGE), reason_in(note) or ""
                return await settle(viewer.context, actor, id, was_sent=was_sent, channel=channel, note=why)

            if await attempt(act) is not None:
                ui.navigate.reload()

        with buttons():
            ui.button("Do nothing", on_click=opened.close).props("flat")
            for label, was_sent in (("It was not sent", False), ("It was sent", True)):
                button = ui.button(label, on_click=lambda was_sent=was_sent: settle_as(was_sent=was_sent))
                button.bind_enabled_from(note, "value", lambda value: bool((value or "").strip()))
