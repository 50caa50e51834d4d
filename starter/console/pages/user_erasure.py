"""Erase a user from their page: what it deletes, a typed confirmation, and the erasure."""

from __future__ import annotations

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.dialogs import buttons, dialog, reason_field, reason_in
from starter.console.elements.errors import attempt
from starter.console.elements.text import text
from starter.console.paths import at
from starter.console.state import Viewer
from starter.operations.erasure import erase

DELETED = (
    "the profile: ids, addresses, push tokens, name, attributes and consent",
    "the whole log of interactions, the inbox, the texts of messages, and what was received",
    "keys, triggers and ids of the follow-ups and decisions; waiting follow-ups end as dropped: erased",
)
KEPT = (
    "campaigns, states, reasons and times of the follow-ups, under a key that names no person, so that counts stay",
    "a keyed hash of each id and address, so that a late report does not bring the person back",
)


def erase_button(viewer: Viewer, id: str) -> None:
    """Add the button that opens the confirmation. The caller shows it to viewers with `manage` only."""
    ui.button("Erase…", icon="delete_forever", on_click=lambda: _confirm(viewer, id)).props("outline color=negative")


def _confirm(viewer: Viewer, id: str) -> None:
    with dialog(f"Erase {id}?") as opened:
        text("This cannot be undone. It deletes, for all ids of this user:", tag="p")
        _list(DELETED)
        text("What stays:", tag="p")
        _list(KEPT)
        text("Messages that a provider has already are not recalled; erase the person there too.", tag="p")
        reason = reason_field()
        typed = ui.input("The id, to confirm").props("outlined dense autocomplete=off")
        typed.props["hint"] = f"Type {id}"

        async def erase_now() -> None:
            if typed.value == id and await attempt(lambda: _erase(viewer, id, reason_in(reason))) is not None:
                ui.navigate.to(at("users", find=id))

        with buttons():
            ui.button("Keep the user", on_click=opened.close).props("flat")
            button = ui.button("Erase for good", on_click=erase_now, color="negative")
            button.bind_enabled_from(typed, "value", lambda value: value == id)


async def _erase(viewer: Viewer, id: str, reason: str | None) -> dict[str, str]:
    return await erase(viewer.context, await viewer.actor(Scope.MANAGE), id, reason=reason)


def _list(lines: tuple[str, ...]) -> None:
    with ui.element("ul").classes("cc-list"):
        for line in lines:
            text(line, tag="li")
