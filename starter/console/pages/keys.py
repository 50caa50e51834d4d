"""`/keys`: the keys of the API: listed, created, rotated and revoked; a secret is shown once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.api.requests.body import validate
from starter.api.requests.operator_options import CreateKeyOptions
from starter.console.elements.chips import chip
from starter.console.elements.dialogs import buttons, dialog, duration_in, reason_field, reason_in
from starter.console.elements.empty import empty_state
from starter.console.elements.errors import attempt
from starter.console.elements.table import Column, table
from starter.console.elements.text import text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.state import Viewer
from starter.operations.keys import create_api_key, list_api_keys, revoke_api_key, rotate_api_key

_SCOPES: Mapping[Scope, str] = {
    Scope.INGEST: "report interactions and users",
    Scope.READ: "read users, follow-ups and results",
    Scope.MANAGE: "change campaigns, give orders, act on follow-ups, erase users",
    Scope.ADMIN: "create and revoke keys, so also get every other scope",
    Scope.CLIENT: "for apps and web pages, which also need a user's token; goes with no other scope",
}


@console_page("/keys", title="Keys", icon="key", position=60, scope=Scope.ADMIN)
async def keys(viewer: Viewer) -> None:
    """List the keys."""
    with ui.element("div").classes("cc-spread"):
        text("Who may call the API and sign in here. A running API follows a change within a second.", "cc-muted")
        ui.button("Create a key…", icon="add", on_click=lambda: _create(viewer))
    listed = (await list_api_keys(viewer.context))["keys"]
    if not listed:
        empty_state(
            "There are no keys yet",
            "Give every service a key of its own, with the scopes that it needs. The secret is shown once.",
            icon="key",
        )
        return
    columns = [
        Column("Name", lambda one: one["name"]),
        Column("Id", lambda one: text(one["id"], "cc-mono") and None),
        Column("Scopes", lambda one: ", ".join(one["scopes"])),
        Column("State", lambda one: chip(one["state"]) and None),
        Column("Requests per second", lambda one: "default" if one["rate"] is None else f"{one['rate']:g}"),
        Column("Created", lambda one: moment(one["created_at"]) and None),
        Column("Ends", lambda one: moment(one["revoked_at"] or one["expires_at"], "never") and None),
        Column("Actions", lambda one: _actions(viewer, one)),
    ]
    table(columns, listed, label="Keys")


def _actions(viewer: Viewer, key: Mapping[str, Any]) -> None:
    if key["state"] in ("revoked", "expired"):
        return
    with ui.element("div").classes("cc-row cc-tight"):
        for label, ask in (("Rotate…", _rotate), ("Revoke…", _revoke)):
            button = ui.button(label, on_click=lambda ask=ask: ask(viewer, key)).props("flat dense")
            button.props["aria-label"] = f"{label.rstrip('…')} the key {key['name']}"


def _create(viewer: Viewer) -> None:
    with dialog("Create a key") as opened:
        name = ui.input("What the key is for").props("outlined dense maxlength=255")
        with ui.element("fieldset").classes("cc-column cc-tight"):
            text("Scopes", tag="legend")
            boxes = {scope: ui.checkbox(f"{scope.value}: {words}").props("dense") for scope, words in _SCOPES.items()}
        rate = ui.number("Requests per second (empty: the default)", min=0).props("outlined dense")
        expires = ui.input("Valid for (empty: no end)").props("outlined dense")
        expires.props["hint"] = "Such as 90 days"
        reason = reason_field()

        async def act() -> dict[str, Any]:
            written = {
                "name": name.value,
                "scopes": [scope.value for scope, box in boxes.items() if box.value],
                "rate": rate.value,
                "expires": expires.value,
                "reason": reason_in(reason),
            }
            given = validate(
                CreateKeyOptions, {key: value for key, value in written.items() if value not in (None, "")}
            )
            return await create_api_key(
                viewer.context,
                await viewer.actor(Scope.ADMIN),
                name=given.name,
                scopes=given.scopes,
                rate=given.rate,
                lifetime=given.expires,
                reason=given.reason,
            )

        _choices(opened, "Create", lambda: _issue(opened, act))


def _rotate(viewer: Viewer, key: Mapping[str, Any]) -> None:
    with dialog(f"Rotate the key {key['name']}") as opened:
        text("A new key with the same name, scopes and rate takes its place. Both are valid for a while.", tag="p")
        overlap = ui.input("The old key stays valid for", value="1 hour").props("outlined dense")
        reason = reason_field()

        async def act() -> dict[str, Any]:
            actor, ends = await viewer.actor(Scope.ADMIN), duration_in("overlap", overlap.value)
            chosen = ends if ends is not None else timedelta()
            return await rotate_api_key(viewer.context, actor, key["id"], overlap=chosen, reason=reason_in(reason))

        _choices(opened, "Rotate", lambda: _issue(opened, act))


def _revoke(viewer: Viewer, key: Mapping[str, Any]) -> None:
    with dialog(f"Revoke the key {key['name']}?") as opened:
        text(f"A running API refuses {key['id']} within a second, and whoever signed in by it is signed out.", tag="p")
        text("This cannot be undone.", tag="p")
        reason = reason_field()

        async def revoke() -> None:
            async def act() -> dict[str, Any]:
                actor = await viewer.actor(Scope.ADMIN)
                return await revoke_api_key(viewer.context, actor, key["id"], reason=reason_in(reason))

            if await attempt(act) is not None:
                ui.navigate.reload()

        _choices(opened, "Revoke", revoke, is_dangerous=True)


async def _issue(opened: ui.dialog, act: Callable[[], Awaitable[dict[str, Any]]]) -> None:
    """Run what creates a key, and show its secret, this once."""
    issued = await attempt(act)
    if issued is None:
        return
    opened.close()
    with ui.context.client.content, dialog("Copy the key now", is_persistent=True):
        text("It is shown this once and stored nowhere.", tag="p")
        text(issued["key"], "cc-pre cc-secret", tag="pre").props('tabindex="0"')
        if "replaces" in issued:
            with ui.element("p"):
                text(f"It replaces {issued['replaces']['id']}, which is valid until ")
                moment(issued["replaces"]["expires_at"])
        with buttons():
            ui.button("Copy", icon="content_copy", on_click=lambda: ui.clipboard.write(issued["key"]))
            ui.button("I have it", on_click=ui.navigate.reload).props("outline")


def _choices(opened: ui.dialog, label: str, act: Callable[[], Any], *, is_dangerous: bool = False) -> None:
    with buttons():
        ui.button("Do nothing", on_click=opened.close).props("flat")
        ui.button(label, on_click=act, color="negative" if is_dangerous else "primary")
