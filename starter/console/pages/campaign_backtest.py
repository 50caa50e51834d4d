"""A backtest of the newest revision: what it would have done if it had been live."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from starter.console.elements.bars import Bar, bars
from starter.console.elements.errors import attempt
from starter.console.elements.numbers import count_of, duration_of
from starter.console.elements.text import heading, text
from starter.console.state import Viewer
from starter.operations.backtest import backtest_campaign

_SECONDS = 120.0
"""How long a backtest may take, as over HTTP: another one may wait for its turn."""
_DAYS = {7: "the last 7 days", 30: "the last 30 days", 90: "the last 90 days"}


def show_backtest(viewer: Viewer, id: str) -> None:
    """Offer a backtest, and show its result below the button."""
    with ui.element("section").classes("cc-card").props('aria-labelledby="backtest"'):
        heading("Backtest").props('id="backtest"')
        text(
            "What the newest revision would have done with what users did, if it had been live. Nothing is sent.",
            "cc-muted",
            tag="p",
        )
        with ui.element("div").classes("cc-row"):
            days = ui.select(_DAYS, value=7, label="Over").props("outlined dense")
            button = ui.button("Run the backtest", icon="history").props("outline")
        result = ui.element("div").classes("cc-column").props('role="status"')

    async def run() -> None:
        button.disable()
        found = await attempt(lambda: _load(viewer, id, int(days.value)))
        button.enable()
        result.clear()
        if found is not None:
            with result:
                _show(found)

    button.on_click(run)


async def _load(viewer: Viewer, id: str, days: int) -> dict[str, Any]:
    await viewer.actor(Scope.READ)
    return await backtest_campaign(viewer.context, id, f"{days} days", seconds=_SECONDS)


def _show(found: Mapping[str, Any]) -> None:
    text(f"Revision {found['revision']}, {count_of(found['users'], 'user')} looked at.", tag="p")
    rows = [
        Bar("Triggered", found["triggered"]),
        Bar("Sent", found["sent"], tone="good"),
        Bar("Control group", found["control"]),
        Bar("Would still wait", found["waiting"], tone="wait"),
        *(Bar(f"Cancelled by {name}", count, tone="warn") for name, count in found["excepted"].items()),
        *(Bar(f"Dropped: {name}", count, tone="warn") for name, count in found["dropped"].items()),
        *(Bar(f"Refused: {name}", count) for name, count in found["refused"].items()),
    ]
    bars(rows, label="What the backtest counted")
    for name, seconds in found["seconds_until_exception"].items():
        if name != "count":
            share = name.removeprefix("p")
            text(f"{share}% of the exceptions came within {duration_of(seconds)}.", "cc-muted", tag="p")
