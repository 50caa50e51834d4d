"""What goes on in a workspace, and what needs a hand: for the console's first page, the API and the command line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue, Entry, Lifecycle
from connector.rules.explaining.wording import WAYS_OUT
from connector.rules.model.reasons import Reason
from connector.rules.model.values import format_instant
from connector.rules.publishing.attention import find_missed_launches, find_never_triggering
from connector.rules.timing.days import day_of, start_of_day
from connector.store.engine.transaction import Transaction, database_now
from connector.store.reporting.live_counts import LiveCounts, Overdue, count_failed, count_live, find_overdue
from starter.operations.entries import name_of

MAX_CAMPAIGNS = 1000
"""How many campaigns one page of the overview has at most."""
MAX_ATTENTION = 200
"""How many things that need a hand are listed."""
_NONE = LiveCounts()
_STATES: tuple[Lifecycle, ...] = ("draft", "active", "stopped", "archived")


async def read_overview(
    context: StoreContext, *, search: str | None = None, after: str | None = None, limit: int = 100
) -> dict[str, Any]:
    """Return each campaign's state and live counts, and what needs a hand.

    `today` is the day in the workspace's zone (`zone`), which began at `since`. `states` counts the campaigns and
    cards by state. `campaigns` is a page of them by id, without archived ones: `waiting` counts the follow-ups that
    wait, are held or being sent, `sent_today` those that ended as sent today; `next` is the `after` of the next page.

    `attention` lists what needs a hand, each with `kind`, `campaign`, `count` (null: not a number), `text`, and
    `order`: the ids to publish together, in their order. Kinds: `overdue` (due for more than a minute, the first since
    `since`), `unknown` (`send_unknown`: it is not known whether it was sent), `failed` (`send_failed`),
    `never_triggers` (no target of the follow-on is live), `would_miss_launch` (publishing it alone would make draft
    follow-ons miss its launch).

    Args:
        search: only campaigns whose id or name contains this text, in any case of letters.
        after: `next` of the previous page.
    """
    catalogue = await context.cache.at_least(context.database)
    entries = [entry for entry in _matching(catalogue, search) if after is None or entry.id > after]
    page = entries[:limit]
    async with context.database.read(context.workspace) as tx:
        now = await database_now(tx)
        zone = catalogue.workspace.zone
        since = start_of_day(day_of(now, zone), zone)
        counts = await count_live(tx, [entry.id for entry in page], since)
        attention = await _load_attention(tx, catalogue)
    return {
        "today": day_of(now, zone).isoformat(),
        "zone": zone,
        "since": format_instant(since),
        "states": _count_states(catalogue),
        "campaigns": [_view_campaign(entry, counts.get(entry.id, _NONE)) for entry in page],
        "has_more": len(entries) > limit,
        "next": page[-1].id if len(entries) > limit else None,
        "attention": attention[:MAX_ATTENTION],
        "more_attention": max(len(attention) - MAX_ATTENTION, 0),
    }


def _matching(catalogue: Catalogue, search: str | None) -> Iterator[Entry]:
    text = (search or "").casefold()
    for id in sorted(catalogue.entries):
        entry = catalogue.entries[id]
        if entry.state != "archived" and (text in id.casefold() or text in (name_of(entry) or "").casefold()):
            yield entry


def _count_states(catalogue: Catalogue) -> dict[str, int]:
    states = [entry.state for entry in catalogue.entries.values()]
    return {state: states.count(state) for state in _STATES}


def _view_campaign(entry: Entry, counts: LiveCounts) -> dict[str, Any]:
    return {
        "id": entry.id,
        "kind": "card" if entry.is_card else "campaign",
        "name": name_of(entry),
        "state": entry.state,
        "live_revision": entry.live.number if entry.live else None,
        "newest_revision": entry.newest.number,
        "effective_at": format_instant(entry.live.effective_at) if entry.live else None,
        "waiting": counts.waiting,
        "sent_today": counts.sent,
    }


async def _load_attention(tx: Transaction, catalogue: Catalogue) -> list[dict[str, Any]]:
    overdue, failed = await find_overdue(tx), await count_failed(tx)
    return [
        *_view_overdue(overdue),
        *_view_failed(failed, Reason.SEND_UNKNOWN, "unknown", "of which it is unknown whether they were sent"),
        *_view_failed(failed, Reason.SEND_FAILED, "failed", "that could not be sent"),
        *(_view("never_triggers", one.campaign, one.text) for one in find_never_triggering(catalogue)),
        *(
            _view("would_miss_launch", one.campaign, one.text, order=one.order)
            for one in find_missed_launches(catalogue)
        ),
    ]


def _view_overdue(overdue: Sequence[Overdue]) -> Iterator[dict[str, Any]]:
    for one in overdue:
        text = f"{_messages(one.count)} of {one.campaign} should have gone out; the first is due since"
        since = format_instant(one.since)
        yield _view("overdue", one.campaign, f"{text} {since}", count=one.count, since=one.since)


def _view_failed(
    failed: Mapping[str, Mapping[Reason, int]], reason: Reason, kind: str, words: str
) -> Iterator[dict[str, Any]]:
    counts = {campaign: reasons[reason] for campaign, reasons in failed.items() if reason in reasons}
    for campaign, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        text = f"{_messages(count)} of {campaign} {words}: {WAYS_OUT[reason].format(id='ID')}"
        yield _view(kind, campaign, text, count=count)


def _messages(count: int) -> str:
    return f"{count:,} {'follow-up' if count == 1 else 'follow-ups'}"


def _view(
    kind: str,
    campaign: str,
    text: str,
    *,
    count: int | None = None,
    since: datetime | None = None,
    order: Sequence[str] | None = None,
) -> dict[str, Any]:
    return {
        "kind": kind,
        "campaign": campaign,
        "count": count,
        "since": format_instant(since),
        "text": text,
        "order": None if order is None else list(order),
    }
