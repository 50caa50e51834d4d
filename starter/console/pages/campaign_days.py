"""The results of a campaign per day: a chart, and a table with each day's control group, variants and uplift."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from nicegui import ui

from starter.console.elements.charts import DayChart
from starter.console.elements.lazy_details import LazyDetails
from starter.console.elements.table import Column, Row, table
from starter.console.elements.text import heading, text
from starter.console.pages.campaign_groups import group_columns, group_rows, users_of

MAX_DAYS = 31
"""The most days of the table, the newest ones: it is drawn anew whenever a number changes."""


class CampaignDays:
    """The days of one campaign; the chart, and whether the table is open, stay when the numbers change."""

    def __init__(self, zone: str) -> None:
        with ui.element("section").classes("cc-card").props('aria-labelledby="days"'):
            heading("Per day", 3).props('id="days"')
            note = f"By the day on which users were first reached, in the zone {zone}."
            text(note, "cc-muted cc-small", tag="p")
            self._chart = DayChart("Results per day")
            self._table = LazyDetails("Each day with control group, variants and uplift")

    def show(self, found: Mapping[str, Any]) -> None:
        """Show the days as they are now."""
        self._chart.show([day["day"] for day in found["days"]], _series(found))
        self._table.show(partial(_show_days, found))


def day_rows(found: Mapping[str, Any]) -> list[Row]:
    """Return a row for each group that has users of each day, the newest `MAX_DAYS` days that have any."""
    days = [[{"day": day["day"], **row} for row in group_rows(day) if users_of(row)] for day in reversed(found["days"])]
    return [row for rows in [rows for rows in days if rows][:MAX_DAYS] for row in rows]


def _show_days(found: Mapping[str, Any]) -> None:
    columns = [Column("Day", _show_day), *group_columns(list(found["receivers"]["converted"]))]
    table(columns, day_rows(found), label="Results of each day")
    note = f"The newest {MAX_DAYS} days with results. A single day has few users, so its intervals are wide."
    text(note, "cc-muted cc-small", tag="p")


def _show_day(row: Row) -> None:
    text(row["day"], "cc-time")  # in one line, also on a narrow page


def _series(found: Mapping[str, Any]) -> dict[str, list[int]]:
    """Return the numbers of each day, by the name of their line."""
    days = found["days"]
    series: dict[str, list[int]] = {}
    names = sorted({one["variant"] for day in days for one in day["variants"] if one["variant"] is not None})
    if names:
        for name in names:
            series[f"{name}: sent"] = [_of_variant(day, name) for day in days]
    else:
        series["Sent"] = [day["receivers"]["sent"] for day in days]
    series["Opened"] = [day["receivers"]["opened"] for day in days]
    series["Clicked"] = [day["receivers"]["clicked"] for day in days]
    for letter in found["receivers"]["converted"]:
        series[f"Converted {letter}"] = [day["receivers"]["converted"].get(letter, 0) for day in days]
    if any(day["control"]["enrolled"] for day in days):
        series["Control group"] = [day["control"]["enrolled"] for day in days]
    return series


def _of_variant(day: Mapping[str, Any], name: str) -> int:
    return sum(int(one["sent"]) for one in day["variants"] if one["variant"] == name)
