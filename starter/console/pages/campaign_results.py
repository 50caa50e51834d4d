"""The results of a campaign: the funnel, why messages did not go out, per day and variant, and its exceptions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from nicegui import ui

from connector.rules.timing.days import day_of, start_of_day
from connector.store.engine.transaction import database_now
from starter.api.requests.errors import ApiError
from starter.console.elements.bars import Bar, bars
from starter.console.elements.empty import empty_state
from starter.console.elements.errors import show_page_error
from starter.console.elements.live import watch
from starter.console.elements.numbers import duration_of, share_of
from starter.console.elements.table import Column, table
from starter.console.elements.text import heading, link, text
from starter.console.pages.campaign_days import CampaignDays
from starter.console.pages.campaign_groups import group_columns, group_rows
from starter.console.paths import at
from starter.console.state import Viewer
from starter.operations.results import read_results

_RANGES = ((7, "7 days"), (30, "30 days"), (90, "90 days"), (0, "All times"))


async def show_results(viewer: Viewer, id: str, days: int) -> None:
    """Show the results of the last days, as they are now; 0: of all times."""

    async def load() -> dict[str, Any]:
        since = None if days == 0 else await _start_of(viewer, days)
        return await read_results(viewer.context, id, since=since, by="day")

    with ui.element("section").classes("cc-column").props('aria-labelledby="results"'):
        with ui.element("div").classes("cc-spread"):
            heading("Results").props('id="results"')
            _show_ranges(id, days)
        results = _Results(id)
        await watch(viewer, ("results", id, days), load, results.show, results.show_error)


async def _start_of(viewer: Viewer, days: int) -> datetime:
    """Return when the first of the last days began in the workspace's zone, UTC; it stays the same all day."""
    context = viewer.context
    zone = (await context.cache.at_least(context.database)).workspace.zone
    async with context.database.read(context.workspace) as tx:
        today = day_of(await database_now(tx), zone)
    return start_of_day(today - timedelta(days=days - 1), zone)


def _show_ranges(id: str, days: int) -> None:
    with ui.element("nav").props('aria-label="Range of the results"').classes("cc-row"):
        for number, label in _RANGES:
            shown = link(label, at("campaigns", id, days=str(number)), "cc-nav-link")
            if number == days:
                shown.props["aria-current"] = "page"


class _Results:
    """The numbers of one campaign; the chart among them stays when they change."""

    def __init__(self, id: str) -> None:
        self._id = id
        self._before, self._days, self._after = (ui.element("div").classes("cc-column") for _ in range(3))
        self._per_day: CampaignDays | None = None

    def show(self, found: Mapping[str, Any]) -> None:
        """Show the results as they are now."""
        self._before.clear()
        with self._before:
            _show_counts(self._id, found)
        self._show_days(found)
        self._after.clear()
        with self._after:
            _show_exceptions(found)

    def show_error(self, error: ApiError) -> None:
        """Show why they cannot be read now."""
        self._before.clear()
        with self._before:
            show_page_error(error)

    def _show_days(self, found: Mapping[str, Any]) -> None:
        if not found["days"] or not _reached(found):
            return
        if self._per_day is None:
            with self._days:
                self._per_day = CampaignDays(found["zone"])
        self._per_day.show(found)


def _show_counts(id: str, found: Mapping[str, Any]) -> None:
    if not found["funnel"]["triggered"] and not found["reasons"] and not _reached(found):
        empty_state(
            "Nothing happened in this time",
            "Once users do what triggers it, you will see here how many wait, got the message, opened, clicked and "
            "converted, and why others got nothing.",
            icon="bar_chart",
        )
        return
    with ui.element("div").classes("cc-grid"):
        _show_funnel(found)
        _show_reasons(id, found)
    _show_groups(found)


def _reached(found: Mapping[str, Any]) -> int:
    return int(found["receivers"]["sent"] + found["control"]["enrolled"])


def _show_funnel(found: Mapping[str, Any]) -> None:
    funnel = found["funnel"]
    triggered, sent = funnel["triggered"], funnel["sent"]
    reached = found["receivers"]["sent"]
    rows = [
        Bar("Triggered", triggered),
        Bar("Waiting", funnel["waiting"], share_of(funnel["waiting"], triggered), tone="wait"),
        Bar("Sent", sent, share_of(sent, triggered), tone="good"),
        Bar("Opened", funnel["opened"], share_of(funnel["opened"], reached), tone="good"),
        Bar("Clicked", funnel["clicked"], share_of(funnel["clicked"], reached), tone="good"),
        *(
            Bar(f"Converted ({letter})", count, share_of(count, reached), tone="good")
            for letter, count in funnel["converted"].items()
        ),
    ]
    with ui.element("section").classes("cc-card").props('aria-labelledby="funnel"'):
        heading("Funnel", 3).props('id="funnel"')
        bars(rows, label="From the trigger to the conversion")
        note = f"{funnel['opened_by_people']:,} opens are surely by people. Opened, clicked and converted count users."
        text(note, "cc-muted cc-small", tag="p")


def _show_reasons(id: str, found: Mapping[str, Any]) -> None:
    with ui.element("section").classes("cc-card").props('aria-labelledby="reasons"'):
        heading("Why not", 3).props('id="reasons"')
        if not found["reasons"]:
            text("Every follow-up that has ended was sent.", "cc-muted", tag="p")
            return
        rows = [
            Bar(one["text"].capitalize(), one["count"], path=_path_of_reason(id, one), tone=_tone(one))
            for one in found["reasons"]
        ]
        bars(rows, label="Why follow-ups sent nothing")


def _path_of_reason(id: str, one: Mapping[str, Any]) -> str:
    return at("follow-ups", campaign=id, state=one["state"], reason=one["reason"])


def _tone(one: Mapping[str, Any]) -> str:
    return "bad" if one["state"] == "failed" else "warn"


def _show_groups(found: Mapping[str, Any]) -> None:
    """Show control group, receivers and variants, with the uplift of each conversion."""
    letters = list(found["receivers"]["converted"])
    with ui.element("section").classes("cc-card").props('aria-labelledby="groups"'):
        heading("Variants and control group", 3).props('id="groups"')
        table(group_columns(letters), group_rows(found), label="Variants and control group")
        if letters:
            note = f"Uplift is the difference of the rates in points, with its {found['confidence']:.0%} interval."
            text(note, "cc-muted cc-small", tag="p")


def _show_exceptions(found: Mapping[str, Any]) -> None:
    waits = found["exceptions_after"]
    if not waits["count"]:
        return
    shares = sorted((int(name[1:]), seconds) for name, seconds in waits.items() if name.startswith("p"))
    with ui.element("section").classes("cc-card").props('aria-labelledby="exceptions"'):
        heading("How soon exceptions came", 3).props('id="exceptions"')
        text(
            "Choose the delay by it: a shorter delay sends to users who would have done it anyway, a longer one loses "
            f"time. By {waits['count']:,} exceptions.",
            "cc-muted",
            tag="p",
        )
        table(
            [
                Column("Of the exceptions", lambda row: f"{row['share']}%"),
                Column("came within", lambda row: duration_of(row["seconds"])),
            ],
            [{"share": share, "seconds": seconds} for share, seconds in shares],
            label="How soon exceptions came",
        )
