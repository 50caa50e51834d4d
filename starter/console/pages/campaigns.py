"""`/campaigns`: the list of campaigns and cards with their live counts."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.chips import chip
from starter.console.elements.empty import empty_state
from starter.console.elements.search_form import Choice, search_form
from starter.console.elements.table import Column, Page, Row, paged_table
from starter.console.elements.text import link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.paths import campaign_path
from starter.console.state import Viewer
from starter.operations.overview import STATES, read_live_counts

_PAGE = 100
_STATE_LABELS: dict[str, str] = {"": "All but archived"} | {state: state.capitalize() for state in STATES}


@console_page("/campaigns", title="Campaigns", icon="campaign", position=10)
async def campaigns(viewer: Viewer, search: str = "", state: str | None = None) -> None:
    """Show the list, by id.

    Args:
        search: only those whose id or name contains this text.
        state: only those in this state; none, or what is no state: all but the archived ones.
    """
    wanted = search.strip()
    chosen = next((one for one in STATES if one == state), None)
    is_filtered = bool(wanted or chosen)

    async def load(after: str | None) -> Page:
        found = await read_live_counts(viewer.context, state=chosen, search=wanted or None, after=after, limit=_PAGE)
        return found["campaigns"], found["next"]

    with ui.element("div").classes("cc-spread"):
        choice = Choice("state", "State", _STATE_LABELS, chosen or "")
        search_form("/campaigns", wanted, choice, is_filtered=is_filtered)
        if viewer.may(Scope.MANAGE):
            link("Compose a campaign", "/compose", "cc-button")
    await paged_table(_columns(), load, label="Campaigns and cards", empty=lambda: _show_empty(is_filtered=is_filtered))


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
        link(row["name"] or row["id"], campaign_path(row["id"]))
        kind = "card, " if row["kind"] == "card" else ""
        text(f"{kind}{row['id']}", "cc-muted cc-small cc-mono")


def _show_state(row: Row) -> Any:
    with ui.element("div").classes("cc-row"):
        chip(row["state"])
        if row["live_revision"] is not None and row["newest_revision"] != row["live_revision"]:
            chip("draft").set_text("new draft")


def _show_since(row: Row) -> Any:
    moment(row["effective_at"])


def _show_empty(*, is_filtered: bool) -> None:
    if is_filtered:
        empty_state("No campaign matches", "The search looks into ids and names.", icon="search_off")
        return
    empty_state(
        "There are no campaigns yet",
        "Compose one in four steps. Once it is saved it is listed here, and its page publishes it.",
        links=(("Compose a campaign", "/compose"),),
        icon="campaign",
    )
