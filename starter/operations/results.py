"""Results of a campaign as JSON values, in the form in which the API and the command line show them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Entry
from connector.rules.explaining.waiting import describe_age
from connector.rules.model.values import format_instant
from connector.rules.results.conversions import CONVERSION_LETTERS
from connector.rules.results.uplift import CONFIDENCE, Share, compute_uplift
from connector.store.engine.database import LONG_SECONDS
from connector.store.engine.transaction import Transaction, database_now
from connector.store.reporting.counts import Count, count_follow_ups, count_template_faults
from connector.store.reporting.results import ResultCounts, count_results
from connector.store.reporting.retries import count_retried

RESULT_STEPS = ("enrolled", "sent", "opened", "opened_by_people", "clicked")


async def load_results(context: StoreContext, entry: Entry) -> dict[str, Any]:
    """Return the results of a campaign or card until now; see `view_results`."""
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        counts = await count_results(tx, entry.id, catalogue.workspace.robots)
    return view_results(counts, _conversion_letters(entry, counts))


async def load_outcomes(context: StoreContext, entry: Entry) -> dict[str, Any]:
    """Return how many follow-ups of a campaign are in which state, and how many triggers were refused, with reasons.

    Also how many messages could not be rendered, by fault (W7), and how many are due and tried again (W6).
    """
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        counts, faults = await count_follow_ups(tx, entry.id), await count_template_faults(tx, entry.id)
        retried = await load_retried(tx, entry.id)
    return {
        "follow_ups": view_counts(counts),
        "template_faults": [{"fault": fault, "count": count} for fault, count in faults],
        "retried": retried,
    }


async def load_retried(tx: Transaction, campaign: str | None = None) -> list[dict[str, Any]]:
    """Return the messages that are due and tried again, by campaign, channel and fault (W6)."""
    now = await database_now(tx)
    return [
        {
            "campaign": one.campaign,
            "channel": one.channel,
            "fault": one.fault,
            "count": one.count,
            "due_since": format_instant(one.due_since),
            "due_for": describe_age(max(now - one.due_since, timedelta())),
        }
        for one in await count_retried(tx, campaign)
    ]


def view_counts(counts: Iterable[Count]) -> list[dict[str, Any]]:
    """Return the counts of one campaign as JSON values."""
    return [{"state": count.state, "reason": count.reason, "count": count.count} for count in counts]


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
