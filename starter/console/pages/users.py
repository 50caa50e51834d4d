"""`/users`: find a user by an id or an address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from starter.console.elements.empty import empty_state
from starter.console.elements.table import Column, table
from starter.console.elements.text import link, text
from starter.console.page import console_page
from starter.console.paths import at, user_path
from starter.console.state import Viewer
from starter.operations.users import MAX_FOUND, find_users

_MATCHED = {"id": "the id", "user_key": "the user key", "email": "the email", "phone": "the phone number"}


@console_page("/users", title="Users", icon="person_search", position=30)
async def users(viewer: Viewer, find: str = "") -> None:
    """Show the search, and the users whom it finds."""
    _search(find)
    if not find.strip():
        empty_state(
            "Find a user",
            "Write any id by which your services know the user, the user key of Temporal and the audit trail, an email "
            "or a phone number. An id is compared letter by letter.",
            icon="person_search",
        )
        return
    found = await find_users(viewer.context, text=find)
    if found["users"]:
        _found(found)
    elif found["erased"]:
        empty_state(
            "This user was erased",
            "Nothing that names the person is left. Campaigns, states, reasons and times of the follow-ups are, by the "
            "user key.",
            icon="person_off",
        )
    else:
        empty_state(
            "No user has this id or address",
            "A user appears with the first interaction or description that names them. Check the spelling: ids are "
            "compared letter by letter, emails without the case of letters, numbers without separators.",
            icon="person_off",
        )


def _search(wanted: str) -> None:
    def search() -> None:
        ui.navigate.to(at("users", find=(field.value or "").strip()))

    with ui.element("form").props('role="search"').classes("cc-row").on("submit.prevent", search):
        field = ui.input("Id, email or phone number", value=wanted).props("outlined dense clearable").classes("cc-grow")
        ui.button("Find", icon="search", on_click=search)


def _found(found: dict[str, Any]) -> None:
    columns = [
        Column("User", _link),
        Column("Other ids", lambda one: text(_others(one), "cc-mono") and None),
        Column("Name", lambda one: one["first_name"] or "–"),
        Column("Email", lambda one: one["email"] or "–"),
        Column("Phone", lambda one: one["phone"] or "–"),
        Column("Found by", lambda one: _MATCHED[one["matched"]]),
    ]
    table(columns, found["users"], label="Users")
    if found["is_cut"]:
        text(f"More than {MAX_FOUND} users share this address; these are the first by id.", "cc-muted")


def _link(one: Mapping[str, Any]) -> None:
    link(one["id"], user_path(one["id"]))


def _others(user: Mapping[str, Any]) -> str:
    return ", ".join(id for id in user["ids"] if id != user["id"]) or "–"
