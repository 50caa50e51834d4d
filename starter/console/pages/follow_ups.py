"""`/follow-ups`: lists of follow-ups by filters that the address keeps, and actions on some or all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.chips import chip
from starter.console.elements.empty import empty_state
from starter.console.elements.page_words import as_sentence
from starter.console.elements.table import Column, table
from starter.console.elements.text import link, text
from starter.console.elements.times import moment
from starter.console.follow_up_filter import filter_path, read_filter
from starter.console.page import console_page
from starter.console.pages.follow_up_actions import Selection, action_bar
from starter.console.pages.follow_up_search import filter_form
from starter.console.paths import campaign_path, follow_up_path, user_path
from starter.console.state import Viewer
from starter.operations.follow_ups import Criteria, read_follow_ups

_PAGE = 50


@console_page("/follow-ups", title="Follow-ups", icon="schedule_send", position=40)
async def follow_ups(
    viewer: Viewer,
    state: str | None = None,
    campaign: str | None = None,
    user: str | None = None,
    reason: str | None = None,
    channel: str | None = None,
    since: str | None = None,
    until: str | None = None,
    after: str | None = None,
) -> None:
    """Show the filters, the actions and a page of the list."""
    query = {
        "state": state, "campaign": campaign, "user": user, "reason": reason,
        "channel": channel, "since": since, "until": until,
    }  # fmt: skip
    filter_form(query)
    criteria, cursor = read_filter({**query, "after": after})
    page = await read_follow_ups(viewer.context, criteria, _PAGE, cursor)
    if not page["follow_ups"]:
        _nothing(criteria, page)
        return
    selection = Selection()
    can_act = viewer.may(Scope.MANAGE) and page["follow_ups"][0]["id"] is not None
    if can_act:
        action_bar(viewer, criteria, selection)
    _list(page["follow_ups"], selection if can_act else None)
    with ui.element("nav").classes("cc-row").props('aria-label="Pages of the list"'):
        if cursor is not None:
            link("First page", filter_path(criteria))
        if page["has_more"]:
            link("Next page", filter_path(criteria, page["next"]))


def _nothing(criteria: Criteria, page: Mapping[str, Any]) -> None:
    if criteria == Criteria():
        empty_state(
            "No follow-ups yet",
            "A follow-up begins when a user does what a published follow-on waits for. Publish a follow-on, or report "
            "an interaction with its target.",
            links=[("Campaigns", "/campaigns")],
            icon="schedule_send",
        )
        return
    if page["has_more"]:
        empty_state(
            "Nothing here yet",
            "None of the follow-ups that were examined has this channel. The search goes on with older ones.",
            links=[("Search on", filter_path(criteria, page["next"])), ("All follow-ups", "/follow-ups")],
            icon="manage_search",
        )
        return
    hint = page.get("hint")
    empty_state(
        "Nothing matches these filters",
        as_sentence(hint) if hint else "All filters must hold. Leave one out to see more.",
        links=[("All follow-ups", "/follow-ups")],
        icon="filter_alt_off",
    )


def _list(rows: list[dict[str, Any]], selection: Selection | None) -> None:
    columns = [
        Column("Campaign", _campaign),
        Column("User", _user),
        Column("State", _state),
        Column("Triggered", lambda one: moment(one["triggered_at"]) and None),
        Column("Due", lambda one: moment(one["next_at"] or one["due_at"]) and None),
        Column("Ended", lambda one: moment(one["decided_at"]) and None),
        Column("Sent by", lambda one: ", ".join(one["channels"]) or "–"),
        Column("", _details),
    ]
    if selection is not None:
        columns.insert(0, Column("Select", selection.box))
    table(columns, rows, label="Follow-ups")


def _campaign(one: Mapping[str, Any]) -> None:
    link(one["campaign"], campaign_path(one["campaign"]))


def _user(one: Mapping[str, Any]) -> None:
    if one["user"] is None:
        text("erased", classes="cc-muted")
    else:
        link(one["user"], user_path(one["user"]))
    if one["key"] is not None:
        text(str(one["key"]), classes="cc-tag")


def _state(one: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cc-row cc-tight"):
        chip(one["state"])
        if one["reason"]:
            text(one["reason"], classes="cc-small cc-muted")


def _details(one: Mapping[str, Any]) -> None:
    if one["id"] is not None:
        element = link("Details", follow_up_path(one["id"]))
        element.props["aria-label"] = f"Details of the follow-up {one['id']}"
