"""Results of a campaign as JSON values, in the form in which the API and the command line show them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date, datetime, timedelta
from typing import Any, Literal

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Entry
from connector.rules.explaining.waiting import describe_age
from connector.rules.explaining.wording import REASON_TEXTS
from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.reasons import NOTED, OPEN_STATES, Reason, State
from connector.rules.model.values import format_instant
from connector.rules.results.conversions import CONVERSION_LETTERS
from connector.rules.results.uplift import CONFIDENCE, Share, compute_uplift
from connector.rules.timing.days import day_of, days_between, offsets_of
from connector.simulation.tally import quantiles
from connector.store.engine.database import LONG_SECONDS
from connector.store.engine.transaction import Transaction, database_now
from connector.store.follow_ups.tallies import Count, load_counts
from connector.store.reporting.counts import count_template_faults
from connector.store.reporting.results import ResultCounts, count_results
from connector.store.reporting.retries import count_retried
from connector.store.reporting.triggered import count_triggered, load_exception_waits
from starter.operations.entries import entry_in

MAX_DAYS = 400
"""How many days are shown at most, the newest: as long as what was sent is kept by default."""
_GROUPS = ("control", "receivers", "variants")
RESULT_STEPS = ("enrolled", "sent", "opened", "opened_by_people", "clicked")


async def load_results(context: StoreContext, entry: Entry) -> dict[str, Any]:
    """Return the results of a campaign or card until now; see `view_results`."""
    catalogue = await context.cache.at_least(context.database)
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        counts = await count_results(tx, entry.id, catalogue.workspace.robots)
    return view_results(counts, _conversion_letters(entry, counts))


async def read_results(
    context: StoreContext,
    id: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    by: Literal["day"] | None = None,
) -> dict[str, Any]:
    """Return the results of a campaign or card, of all times or of those in [since, until).

    Users count for the time at which they were first reached, whatever they did later: so days add up, and rates
    compare what became of the same users. Follow-ups and refusals count for the time of their trigger.

    Besides what `view_results` has, and `follow_ups`, `template_faults` and `retried` (`load_outcomes`):
    `funnel`: `triggered`, `waiting` and `sent` follow-ups, and of the receivers how many `opened`, `clicked` and
    `converted`. `reasons`: why follow-ups sent nothing and triggers were refused, in words, the most frequent first.
    `exceptions_after`: how long after the trigger exceptions came, `p10` to `p99` in seconds, of the newest `count`.
    `as_of`: when they were read. `days`: with `by`, each day in the workspace's `zone` with `control`, `receivers` and
    `variants`; else null.

    Raises:
        NotKnown: there is no such campaign or card.
        DefinitionError: the range is empty.
    """
    if since is not None and until is not None and since >= until:
        raise DefinitionError([Fault("until", "is not later than `since`")])
    catalogue = await context.cache.at_least(context.database)
    entry = entry_in(catalogue, id)
    zone = catalogue.workspace.zone
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        now = await database_now(tx)
        offsets = () if by is None else offsets_of(zone, now - timedelta(days=MAX_DAYS), now + timedelta(days=1))
        groups = await count_results(tx, id, catalogue.workspace.robots, since=since, until=until, by_day=offsets)
        counts = await count_triggered(tx, id, since, until)
        waits = await load_exception_waits(tx, id, since, until)
        outcomes = await _load_outcomes(tx, id, counts)
    letters = _conversion_letters(entry, groups)
    results = view_results(add_up(groups), letters)
    return {
        "id": id,
        "since": format_instant(since),
        "until": format_instant(until),
        "zone": zone,
        "as_of": format_instant(now),
        **results,
        **outcomes,
        "funnel": view_funnel(counts, results["receivers"]),
        "reasons": view_reasons(counts),
        "exceptions_after": {
            "count": len(waits),
            **{f"p{share}": wait.total_seconds() for share, wait in quantiles(waits).items()},
        },
        "days": None if by is None else view_days(groups, letters, zone, (since, until), now),
    }


async def load_outcomes(context: StoreContext, entry: Entry) -> dict[str, Any]:
    """Return how many follow-ups of a campaign are in which state, and how many triggers were refused, with reasons.

    Also how many messages could not be rendered, by fault (W7), and how many are due and tried again (W6).
    """
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        return await _load_outcomes(tx, entry.id, await load_counts(tx, [entry.id]))


async def _load_outcomes(tx: Transaction, id: str, counts: Sequence[Count]) -> dict[str, Any]:
    faults = await count_template_faults(tx, id)
    return {
        "follow_ups": view_counts(counts),
        "template_faults": [{"fault": fault, "count": count} for fault, count in faults],
        "retried": await load_retried(tx, id),
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


def view_counts_of(campaigns: Collection[str], counts: Iterable[Count]) -> dict[str, list[dict[str, Any]]]:
    """Return the counts of each of these campaigns as JSON values, by its id, in the same order on every database."""
    by_campaign: dict[str, list[Count]] = {id: [] for id in campaigns}
    for count in sorted(counts, key=lambda count: (count.state, count.reason or "")):
        if count.campaign in by_campaign:
            by_campaign[count.campaign].append(count)
    return {id: view_counts(found) for id, found in by_campaign.items()}


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


def view_funnel(counts: Iterable[Count], receivers: Mapping[str, Any]) -> dict[str, Any]:
    """Return the steps from the trigger to the conversion; the first three count follow-ups, the others users."""
    numbers: Counter[str] = Counter()
    for count in counts:
        if count.state not in (State.REFUSED, NOTED):
            numbers["triggered"] += count.count
            numbers["waiting" if count.state in OPEN_STATES else count.state] += count.count
    steps = {step: numbers[step] for step in ("triggered", "waiting", "sent")}
    return {**steps, **{step: receivers[step] for step in ("opened", "opened_by_people", "clicked", "converted")}}


def view_reasons(counts: Iterable[Count]) -> list[dict[str, Any]]:
    """Return why follow-ups sent nothing and triggers were refused, the most frequent first; not late exceptions."""
    reasons = [
        {"state": one.state, "reason": one.reason, "text": REASON_TEXTS[Reason(one.reason)], "count": one.count}
        for one in counts
        if one.reason is not None and one.state != NOTED
    ]
    return sorted(reasons, key=lambda one: (-int(str(one["count"])), str(one["reason"])))


def view_days(
    groups: Sequence[ResultCounts],
    letters: Sequence[str],
    zone: str,
    bounds: tuple[datetime | None, datetime | None],
    now: datetime,
) -> list[dict[str, Any]]:
    """Return the results of each day in a zone, those of days without any included, the newest `MAX_DAYS`.

    Args:
        groups: by day.
        bounds: the range that was asked for; None: from the first day with results, and to the present one.
        now: UTC.
    """
    by_day: dict[date, list[ResultCounts]] = defaultdict(list)
    for group in groups:
        if group.day is not None:
            by_day[group.day].append(group)
    since, until = bounds
    last = day_of(now if until is None else min(until - timedelta(microseconds=1), now), zone)
    first = min(by_day, default=last) if since is None else day_of(since, zone)
    days = days_between(max(first, last - timedelta(days=MAX_DAYS - 1)), max(last, *by_day, first))
    views = ((day, view_results(add_up(by_day.get(day, ())), letters)) for day in days)
    return [{"day": day.isoformat(), **{key: view[key] for key in _GROUPS}} for day, view in views]


def add_up(groups: Iterable[ResultCounts]) -> list[ResultCounts]:
    """Add up the groups of several times, which share no user, by control group and variant."""
    sums: dict[tuple[bool, str | None], ResultCounts] = {}
    for group in groups:
        key = group.control, group.variant
        known = sums.get(key, ResultCounts(*key, 0, 0, 0, 0, 0))
        steps = {step: getattr(known, step) + getattr(group, step) for step in RESULT_STEPS}
        converted = Counter(known.converted) + Counter(group.converted)
        sums[key] = replace(known, **steps, converted=dict(converted))
    return sorted(sums.values(), key=lambda group: (not group.control, group.variant or ""))


def _conversion_letters(entry: Entry, counts: Sequence[ResultCounts]) -> list[str]:
    """Return the letters of the conversions that the newest revision defines, and of those counted earlier."""
    newest = entry.published[-1] if entry.published else entry.newest
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
