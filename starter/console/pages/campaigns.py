"""`/campaigns`: the list of campaigns and cards with their live counts."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.chips import chip
from starter.console.elements.empty import FIRST_CAMPAIGNS, empty_state
from starter.console.elements.table import Column, Page, Row, paged_table
from starter.console.elements.text import link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.paths import at
from starter.console.state import Viewer
from starter.operations.overview import read_overview

_PAGE = 100


@console_page("/campaigns", title="Campaigns", icon="campaign", position=10)
async def campaigns(viewer: Viewer, search: str = "") -> None:
    """Show the list, by id.

    Args:
        search: only those whose id or name contains this text.
    """
    wanted = search.strip()

    async def load(after: str | None) -> Page:
        found = await read_overview(viewer.context, search=wanted or None, after=after, limit=_PAGE)
        return found["campaigns"], found["next"]

    with ui.element("div").classes("cc-spread"):
        _search_form(wanted)
        if viewer.may(Scope.MANAGE):
            link("Compose a campaign", "/compose", "cc-button")
    await paged_table(_columns(), load, label="Campaigns and cards", empty=lambda: _show_empty(wanted))


def _search_form(search: str) -> None:
    with ui.element("form").props('method="get" action="/campaigns" role="search"').classes("cc-row cc-form"):
        field = ui.element("input").classes("cc-input").props('type="search" name="search"')
        field.props.update({"value": search, "placeholder": "Id or name", "aria-label": "Find a campaign"})
        text("Find", "cc-button", tag="button").props('type="submit"')
        if search:
            link("All campaigns", "/campaigns")


def _columns() -> list[Column]:
    return [
        Column("Campaign", _show_name),
        Column("State", _show_state),
        Column("Live since", _show_since),
        Column("Waiting", lambda row: f"{row['waiting']:,}", is_number=True),
        Column("Sent today", lambda row: f"{row['sent_today']:,}", is_number=True),
    ]


def _show_name(row: Row) -> Any:
    with ui.element("div").classes("cc-column cc-tight"):
        link(row["name"] or row["id"], at("campaigns", row["id"]))
        kind = "card, " if row["kind"] == "card" else ""
        text(f"{kind}{row['id']}", "cc-muted cc-small cc-mono")


def _show_state(row: Row) -> Any:
    with ui.element("div").classes("cc-row"):
        chip(row["state"])
        if row["live_revision"] is not None and row["newest_revision"] != row["live_revision"]:
            chip("draft").set_text("new draft")


def _show_since(row: Row) -> Any:
    moment(row["effective_at"])


def _show_empty(search: str) -> None:
    if search:
        empty_state("No campaign matches", "The search looks into ids and names.", icon="search_off")
        return
    empty_state(
        "There are no campaigns yet",
        "Compose one in four steps, or begin with the example that the command line writes.",
        command=FIRST_CAMPAIGNS,
        links=(("Compose a campaign", "/compose"),),
        icon="campaign",
    )
