"""Charts by ECharts, from our own origin; the colours of texts and lines come from console.css, for both modes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from starter.console.elements.lazy_details import LazyDetails
from starter.console.elements.table import Column, table

_COLOURS = ("#4c6fe0", "#2f9e6e", "#c77d12", "#a05cc9", "#c94a5a", "#3a9aa8", "#8a8f3c", "#7d8798")

_LINE = {"lineStyle": {"color": "#8088984d"}}  # seen on light and on dark


class DayChart:
    """A line for each series over days, and the same numbers as a table that opens.

    It can show other numbers without being built again: NiceGUI's charts fail in the browser if they are taken away
    before they have been drawn.

    Args:
        label: what the chart shows.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._chart = ui.echart({}, renderer="svg").classes("cc-chart").props('role="img"')
        self._chart.props["aria-label"] = f"{label}; the table below has the numbers"
        self._table = LazyDetails("The numbers")

    def show(self, days: Sequence[str], series: Mapping[str, Sequence[int | float]]) -> None:
        """Show these numbers.

        Args:
            days: dates, `2026-11-29`.
            series: values by name, one for each day.
        """
        self._chart.options.clear()
        self._chart.options.update(_options(days, series, self._label))
        self._chart.update()
        self._table.show(partial(_numbers, days, series, self._label))


def _options(days: Sequence[str], series: Mapping[str, Sequence[int | float]], label: str) -> dict[str, Any]:
    return {
        "color": list(_COLOURS),
        "animation": False,
        "aria": {"enabled": True, "label": {"description": label}},
        "grid": {"left": 8, "right": 16, "top": 40, "bottom": 8, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "icon": "roundRect"},
        "tooltip": {"trigger": "axis", "confine": True, "renderMode": "richText"},
        "xAxis": {"type": "category", "data": list(days), "axisLine": _LINE},
        "yAxis": {"type": "value", "minInterval": 1, "splitLine": _LINE},
        "series": [
            {"name": name, "type": "line", "data": list(values), "showSymbol": len(days) < 40, "symbolSize": 6}
            for name, values in series.items()
        ],
    }


def _numbers(days: Sequence[str], series: Mapping[str, Sequence[int | float]], label: str) -> None:
    rows = [{"day": day, **{name: values[place] for name, values in series.items()}} for place, day in enumerate(days)]
    columns = [
        Column("Day", lambda row: row["day"]),
        *(Column(name, partial(_number, name), is_number=True) for name in series),
    ]
    table(columns, rows[::-1], label=label)


def _number(name: str, row: Mapping[str, Any]) -> str:
    return f"{row[name]:,}"
