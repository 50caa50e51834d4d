"""`/provider-events`: events of providers that match no delivery, with the reason, and their matching again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from connector.rules.provider_events.attribution import Unmatched
from starter.console.elements.empty import empty_state
from starter.console.elements.errors import attempt
from starter.console.elements.table import Column, table
from starter.console.elements.text import heading, link, text
from starter.console.elements.times import moment
from starter.console.page import console_page
from starter.console.paths import at, campaign_path
from starter.console.state import Viewer
from starter.operations.provider_events import list_provider_events, match_provider_events

_PAGE = 50
REASONS: Mapping[Unmatched, str] = {
    Unmatched.NO_CAMPAIGN: "it names neither a delivery nor a campaign",
    Unmatched.UNKNOWN_CAMPAIGN: "the campaign that it names has not been applied; apply it, then match again",
    Unmatched.UNKNOWN_USER: "no user has the recipient's address; report the user, then match again",
    Unmatched.AMBIGUOUS_USER: "several users have the recipient's address",
    Unmatched.UNKNOWN_DELIVERY: "the delivery that it names is not ours, and it names no campaign",
}
"""The reasons in words, with what helps."""


@console_page("/provider-events", title="Provider events", icon="mark_email_unread", position=50)
async def provider_events(
    viewer: Viewer, provider: str | None = None, reason: str | None = None, after: str | None = None
) -> None:
    """Show the numbers by reason, and the events, the newest received first."""
    wanted = Unmatched(reason) if reason in set(Unmatched) else None
    page = await list_provider_events(
        viewer.context, provider=provider or None, reason=wanted, limit=_PAGE, after=after or None
    )
    if not page["reports"] and provider is None and wanted is None:
        empty_state(
            "Every provider event was matched",
            "Deliveries, opens, bounces and unsubscriptions that providers report belong to a message or a campaign. "
            "One that does not stays here with the reason, until it is matched or too old.",
            icon="mark_email_read",
        )
        return
    with ui.element("div").classes("cc-spread"):
        heading("By reason")
        if viewer.may(Scope.MANAGE):
            _match_again(viewer, provider or None)
    _counts(page["counts"])
    heading("Events")
    _events(page["reports"])
    with ui.element("nav").classes("cc-row").props('aria-label="Pages of the list"'):
        if provider or wanted or after:
            link("All events", at("provider-events"))
        if page["has_more"]:
            link("Next page", at("provider-events", provider=provider, reason=wanted, after=page["next"]))


def _counts(counts: list[Mapping[str, Any]]) -> None:
    def only(one: Mapping[str, Any]) -> None:
        link("Show", at("provider-events", provider=one["provider"], reason=one["reason"]))

    def reason(one: Mapping[str, Any]) -> None:
        text(f"{one['reason']}: {REASONS[Unmatched(one['reason'])]}", "cc-sentence")

    columns = [
        Column("Provider", lambda one: one["provider"]),
        Column("Reason", reason),
        Column("Events", lambda one: f"{one['count']:,}", is_number=True),
        Column("Only these", only),
    ]
    table(columns, counts, label="Numbers by provider and reason")


def _events(events: list[Mapping[str, Any]]) -> None:
    columns = [
        Column("Provider", lambda one: one["provider"]),
        Column("Kind", lambda one: one["kind"]),
        Column("Happened", lambda one: moment(one["at"]) and None),
        Column("Received", lambda one: moment(one["received_at"]) and None),
        Column("Reason", lambda one: one["reason"]),
        Column("Campaign", _campaign),
        Column("Delivery", lambda one: text(one["delivery"] or "–", "cc-mono") and None),
        Column("Event id", lambda one: text(one["id"], "cc-mono") and None),
    ]
    table(columns, events, label="Events that match nothing")


def _campaign(one: Mapping[str, Any]) -> str | None:
    if one["campaign"] is None:
        return "–"
    link(one["campaign"], campaign_path(one["campaign"]))
    return None


def _match_again(viewer: Viewer, provider: str | None) -> None:
    progress = text("", "cc-muted")
    progress.props["aria-live"] = "polite"

    async def match() -> None:
        button.disable()
        numbers, after, is_over = {"led_back": 0, "dropped": 0, "left": 0}, None, False
        while not is_over:

            async def act(after: str | None = after) -> dict[str, Any]:
                actor = await viewer.actor(Scope.MANAGE)
                return await match_provider_events(viewer.context, actor, provider=provider, after=after)

            page = await attempt(act)
            if page is None:
                break
            numbers = {name: number + page[name] for name, number in numbers.items()}
            progress.set_text(
                f"{numbers['led_back']:,} matched, {numbers['dropped']:,} dropped as too old or of erased users, "
                f"{numbers['left']:,} still unmatched"
            )
            after, is_over = page["next"], not page["has_more"]
        button.enable()

    label = "Match again" if provider is None else f"Match those of {provider} again"
    button = ui.button(label, icon="sync", on_click=match)
