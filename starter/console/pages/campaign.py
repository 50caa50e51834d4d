"""`/campaigns/{id}`: what is live, the newest draft, what each order would do, results, and a backtest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.chips import chip
from starter.console.elements.facts import fact, facts, text_fact
from starter.console.elements.text import heading, link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.pages.campaign_backtest import show_backtest
from starter.console.pages.campaign_draft import show_draft
from starter.console.pages.campaign_orders import show_order_buttons
from starter.console.pages.campaign_results import show_results
from starter.console.paths import at
from starter.console.state import Viewer
from starter.operations.review import review_campaign


@console_page("/campaigns/{id}", title="Campaign", has_heading=False)
async def campaign(viewer: Viewer, id: str, days: int = 30) -> None:
    """Show one campaign or card.

    Args:
        days: for how many days back results are shown; 0: for all times.
    """
    ui.page_title(f"{id} · Campaign Connector")
    review = await review_campaign(viewer.context, id)
    _show_head(viewer, review)
    if review["draft"] is not None:
        show_draft(viewer, review)
    await show_results(viewer, id, max(days, 0))
    if _is_follow_on(review):
        show_backtest(viewer, id)


def _show_head(viewer: Viewer, review: Mapping[str, Any]) -> None:
    with ui.element("div").classes("cc-spread"):
        with ui.element("div").classes("cc-column cc-tight"):
            heading(review["name"] or review["id"], 1)
            with ui.element("div").classes("cc-row"):
                chip(review["state"])
                text(review["id"], "cc-mono cc-muted")
        with ui.element("div").classes("cc-row"):
            link("Show in the graph", at(search=review["id"]), "cc-link")
            if viewer.may(Scope.MANAGE) and review["state"] != "archived" and review["kind"] == "campaign":
                link("Edit", at("compose", review["id"]), "cc-button")
            show_order_buttons(viewer, review)
    with ui.element("section").classes("cc-card").props('aria-label="What is live"'):
        _show_facts(review)


def _show_facts(review: Mapping[str, Any]) -> None:
    with facts():
        with fact("Live"):
            if review["live_revision"] is None:
                text("No" if review["state"] != "draft" else "Not yet: it was never published")
            else:
                text(f"Revision {review['live_revision']}, in effect since ")
                moment(review["effective_at"])
        is_live = review["newest_revision"] == review["live_revision"]
        text_fact("Newest revision", f"{review['newest_revision']}{', which is live' if is_live else ''}")
        if review["windows"]:
            _show_windows(review["windows"])
        if review["open"]:
            _show_open(review["open"])


def _show_windows(windows: list[Mapping[str, Any]]) -> None:
    with fact("Live from – to"):
        for window in windows[-5:]:
            with ui.element("div"):
                moment(window["opened_at"])
                text(" – ")
                moment(window["closed_at"], absent="now")


def _show_open(waits: list[Mapping[str, Any]]) -> None:
    with fact("Waiting now"):
        for wait in waits:
            text(
                f"{wait['waiting']:,} waiting and {wait['held']:,} held, of {wait['users']:,} users, on revision "
                f"{wait['revision']}",
                tag="div",
            )


def _is_follow_on(review: Mapping[str, Any]) -> bool:
    delivery = review["definition"].get("delivery") or {}
    return delivery.get("type") == "action_based"
