"""A backtest of the newest revision: what it would have done if it had been live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from nicegui import ui

from connector.rules.model.api_keys import Scope
from connector.simulation.tally import quantiles
from connector.store.catalogue.cache import load_catalogue
from connector.store.engine.database import LONG_SECONDS
from connector.store.engine.transaction import database_now
from starter.console.elements.bars import Bar, bars
from starter.console.elements.errors import attempt
from starter.console.elements.numbers import count_of, duration_of
from starter.console.elements.text import heading, text
from starter.console.state import Viewer
from starter.operations.backtest import BacktestResult, backtest

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


async def _load(viewer: Viewer, id: str, days: int) -> BacktestResult:
    await viewer.actor(Scope.READ)
    async with viewer.context.database.read(viewer.context.workspace, seconds=LONG_SECONDS) as tx:
        now = await database_now(tx)
        return await backtest(tx, await load_catalogue(tx), id, since=now - timedelta(days=days), until=now)


def _show(found: Any) -> None:
    tally = found.tally
    text(f"Revision {found.revision}, {count_of(tally.users, 'user')} evaluated.", tag="p")
    rows = [
        Bar("Triggered", tally.triggered),
        Bar("Sent", tally.sent, tone="good"),
        Bar("Control group", tally.control),
        Bar("Would still wait", tally.waiting, tone="wait"),
        *(Bar(f"Cancelled by {name}", count, tone="warn") for name, count in tally.excepted.most_common()),
        *(Bar(f"Dropped: {name}", count, tone="warn") for name, count in tally.dropped.most_common()),
        *(Bar(f"Refused: {name}", count) for name, count in tally.refused.most_common()),
    ]
    bars(rows, label="What the backtest counted")
    for share, wait in quantiles(tally.until_exception).items():
        text(f"{share}% of the exceptions came within {duration_of(wait.total_seconds())}.", "cc-muted", tag="p")
