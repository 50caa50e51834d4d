"""Settle a message whose result is unknown: the operator asked the provider, and says whether it was sent."""

from __future__ import annotations

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.errors import attempt
from starter.console.elements.text import heading, text
from starter.console.state import Viewer
from starter.operations.repair import resolve


def settle_button(viewer: Viewer, id: str, channel: str) -> None:
    """Add the button that settles the message of one channel. The caller shows it to viewers with `manage` only."""
    with ui.dialog() as dialog, ui.card().classes("cc-dialog"):
        heading(f"Was the {channel.replace('_', ' ')} message sent?")
        text(f"Ask the provider for the delivery {id}.{channel}, and write down what it said.", tag="p")
        text("Sent: it counts as received at its dispatch, and may start follow-ups.", tag="p")
        text("Not sent: it counts as failed, and can be sent again.", tag="p")
        note = ui.input("What the provider said, for the audit trail").props("outlined dense maxlength=500")

        async def settle_as(*, was_sent: bool) -> None:
            async def act() -> object:
                actor = await viewer.actor(Scope.MANAGE)
                why = (note.value or "").strip()
                return await resolve(viewer.context, actor, id, was_sent=was_sent, channel=channel, note=why)

            if await attempt(act) is not None:
                ui.navigate.reload()

        with ui.element("div").classes("cc-row cc-end"):
            ui.button("Do nothing", on_click=dialog.close).props("flat")
            for label, was_sent in (("It was not sent", False), ("It was sent", True)):
                button = ui.button(label, on_click=lambda was_sent=was_sent: settle_as(was_sent=was_sent))
                button.bind_enabled_from(note, "value", lambda value: bool((value or "").strip()))
    dialog.props["aria-label"] = f"Settle the {channel} message"
    ui.button(f"Settle {channel.replace('_', ' ')}…", on_click=dialog.open).props("outline dense")
