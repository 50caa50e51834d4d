"""Campaigns, follow-ups and results as JSON values, in the form in which the API and the command line show them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from connector import names
from connector.app.context import AppContext
from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.values import format_instant
from connector.rules.publishing.drafting import as_written
from connector.rules.results.conversions import CONVERSION_LETTERS
from connector.rules.results.uplift import CONFIDENCE, Share, compute_uplift
from connector.store.engine.database import LONG_SECONDS
from connector.store.reporting.overview import FollowUpListing
from connector.store.reporting.results import ResultCounts, count_results

RESULT_STEPS = ("enrolled", "sent", "opened", "opened_by_people", "clicked")


def view_entry(entry: Entry) -> dict[str, Any]:
    """Return a campaign or card with its state, revisions and windows; times are UTC with `Z`."""
    live = entry.live
    return {
        "id": entry.id,
        "kind": "card" if entry.is_card else "campaign",
        "state": entry.state,
        "live_revision": live.number if live else None,
        "newest_revision": entry.newest.number,
        "effective_at": format_instant(live.effective_at) if live else None,
        "windows": [
            {"opened_at": format_instant(window.opened_at), "closed_at": format_instant(window.closed_at)}
            for window in entry.windows
        ],
    }


def view_entry_with_definition(entry: Entry) -> dict[str, Any]:
    """Return what `view_entry` returns, and the newest saved definition as it was written."""
    return {**view_entry(entry), "definition": as_written(entry.newest.definition)}


def view_follow_up(workspace: str, listed: FollowUpListing) -> dict[str, Any]:
    """Return a follow-up or refusal with the keys of `simulate --json` (design 8); times are UTC with `Z`.

    `key` is null if it is not set or was erased. `workflow_id` is that of the workflow in Temporal that waits for it.
    """
    id, workflow_id = listed.id, None
    if id is not None and not listed.is_launched:
        workflow_id = names.follow_up_id(workspace, listed.campaign, listed.user_key, id)
    shown = {
        "id": id,
        "workflow_id": workflow_id,
        "campaign": listed.campaign,
        "user": listed.user,
        "trigger": listed.trigger,
        "key": json.loads(listed.key) if listed.key not in ("", listed.id) else None,
        "triggered_at": format_instant(listed.triggered_at),
        "due_at": format_instant(listed.due_at),
        "next_at": format_instant(listed.next_at),
        "state": listed.state,
        "reason": listed.reason,
        "decided_at": format_instant(listed.decided_at),
        "channels": list(listed.channels),
    }
    return shown if listed.exception is None else {**shown, "exception": listed.exception}


async def load_results(context: AppContext, entry: Entry) -> dict[str, Any]:
    """Return the results of a campaign or card until now; see `view_results`."""
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        counts = await count_results(tx, entry.id, catalogue.workspace.robots)
    return view_results(counts, _conversion_letters(entry, counts))


def view_results(counts: Sequence[ResultCounts], letters: Sequence[str]) -> dict[str, Any]:
    """Return numbers of users: `control`, `receivers` (all others together) and each of the `variants`.

    `uplift`, by conversion, compares with the control group; it is null if either group is empty.

    Args:
        letters: the conversions to show.
    """
    control = _sum_of([group for group in counts if group.control], letters)
    receivers = [group for group in counts if not group.control]
    variants = receivers if any(group.variant is not None for group in receivers) else []

    def compared(groups: Sequence[ResultCounts]) -> dict[str, Any]:
        numbers = _sum_of(groups, letters)
        return {**numbers, "uplift": {letter: _view_uplift(numbers, control, letter) for letter in letters}}

    return {
        "confidence": CONFIDENCE,
        "control": control,
        "receivers": compared(receivers),
        "variants": [{"variant": group.variant, **compared([group])} for group in variants],
    }


def _conversion_letters(entry: Entry, counts: Sequence[ResultCounts]) -> list[str]:
    """Return the letters of the conversions that the newest revision defines, and of those counted earlier."""
    newest = entry.live or (entry.published[-1] if entry.published else entry.newest)
    counted = {letter for group in counts for letter in group.converted}
    return [
        letter
        for place, letter in enumerate(CONVERSION_LETTERS)
        if place < len(newest.conversions) or letter in counted
    ]


def _sum_of(groups: Sequence[ResultCounts], letters: Sequence[str]) -> dict[str, Any]:
    """Add up groups, which share no user."""
    converted = {letter: sum(group.converted.get(letter, 0) for group in groups) for letter in letters}
    return {**{step: sum(getattr(group, step) for group in groups) for step in RESULT_STEPS}, "converted": converted}


def _view_uplift(numbers: dict[str, Any], control: dict[str, Any], letter: str) -> dict[str, Any] | None:
    receivers = Share(numbers["converted"][letter], numbers["sent"])
    difference = compute_uplift(receivers, Share(control["converted"][letter], control["enrolled"]))
    if difference is None:
        return None
    values = {name: value for name, value in asdict(difference).items() if name != "confidence"}
    rounded = {name: None if value is None else round(value, 6) for name, value in values.items()}
    return {**rounded, "verdict": difference.verdict}
