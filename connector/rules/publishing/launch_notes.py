"""Warnings of an order about launches: how many users get a scheduled original at once, and how many never (P9, W5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue, Entry
from connector.rules.catalogue.lifecycle import OrderVerb, apply_order
from connector.rules.model.errors import Fault
from connector.rules.model.values import format_duration
from connector.rules.sending.launch_times import MAX_PASSED, LaunchForecast, send_time

Forecasts = Mapping[str, LaunchForecast]
"""The forecasts of an order's launches, by campaign."""


def launches_to_forecast(catalogue: Catalogue, verb: OrderVerb, ids: Sequence[str], now: datetime) -> list[Entry]:
    """Return the scheduled originals whose users an order may send to, each as it is after the order at `now` (UTC)."""
    if verb not in ("publish", "resume"):
        return []
    allowed = [id for id in dict.fromkeys(ids) if id in catalogue.entries and _may(catalogue.entries[id], verb)]
    after = apply_order(catalogue, verb, allowed, now)
    return [
        after.entries[id] for id in allowed if _may_reach_users(catalogue.entries[id], after.entries[id], after, now)
    ]


def launch_notes(catalogue: Catalogue, ids: Sequence[str], forecasts: Forecasts) -> list[Fault]:
    """Return a warning for each launch of an order of which some users' time has come or passed."""
    notes = ((id, _describe(forecasts[id], catalogue, id)) for id in ids if id in forecasts)
    return [Fault("delivery.send", note, id=id) for id, note in notes if note]


def _describe(forecast: LaunchForecast, catalogue: Catalogue, id: str) -> str:
    parts = []
    if forecast.stale:
        parts.append(
            f"{_users(forecast.stale, forecast)} no message, because their time passed {_too_long(catalogue, id)}"
        )
    if forecast.at_once:
        parts.append(f"{_users(forecast.at_once, forecast)} the message at once")
    return "; ".join(parts)


def _users(count: int, forecast: LaunchForecast) -> str:
    return f"{'' if forecast.is_exact else 'at least '}{count:,} {'user gets' if count == 1 else 'users get'}"


def _too_long(catalogue: Catalogue, id: str) -> str:
    """Describe when a time is too long past: at the first publication by W5, at a resume by `stale_after`."""
    is_paused = catalogue.entries[id].state == "stopped"
    limit = catalogue.stale_after(id) if is_paused else MAX_PASSED
    return f"more than {format_duration(limit)} ago (stale)"


def _may_reach_users(before: Entry, entry: Entry, after: Catalogue, now: datetime) -> bool:
    """Return whether users may get it at once or never, other than by a first publication with `at_publish`."""
    time = None if entry.is_card else send_time(entry, after.workspace)
    if time is None or (before.state == "draft" and time.send == "at_publish"):
        return False
    return before.state == "stopped" or time.begins_at <= now


def _may(entry: Entry, verb: OrderVerb) -> bool:
    return entry.state != "archived" if verb == "publish" else entry.state == "stopped"
