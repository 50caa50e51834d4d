"""What goes on now: who waits, what was sent since an instant, and what is overdue or failed, by campaign.

Whatever is asked costs a few index entries a campaign, however many follow-ups it has had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import String, func, literal, select

from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.store.engine.bulk import as_table
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.reached import has_reached
from connector.store.follow_ups.tallies import load_counts
from connector.store.reporting.backlogs import count_overdue_by
from connector.store.tables import Instant, follow_ups


@dataclass(frozen=True)
class LiveCounts:
    """The follow-ups of a campaign that wait, are held or being sent, and those that were sent since an instant."""

    waiting: int = 0
    sent: int = 0


@dataclass(frozen=True)
class Overdue:
    """The overdue follow-ups of a campaign; the first of them has waited since `since` (UTC)."""

    campaign: str
    count: int
    since: datetime


async def count_live(tx: Transaction, campaigns: Collection[str], since: datetime) -> Mapping[str, LiveCounts]:
    """Count what waits and what was sent since an instant (UTC), in two statements; without what has neither."""
    waiting: dict[str, int] = defaultdict(int)
    for one in await load_counts(tx, campaigns, states=OPEN_STATES):
        waiting[one.campaign] += one.count
    sent = await _count_sent(tx, campaigns, since)
    return {id: LiveCounts(waiting.get(id, 0), sent.get(id, 0)) for id in waiting.keys() | sent.keys()}


async def _count_sent(tx: Transaction, campaigns: Collection[str], since: datetime) -> dict[str, int]:
    if not campaigns:
        return {}
    batch = as_table(tx, {"id": String()}, [{"id": id} for id in campaigns])
    table = follow_ups.c
    its_sends = (
        select(func.count())
        .select_from(follow_ups)
        .where(tx.in_workspace(follow_ups), table.campaign == batch.c.id, has_reached())
        .where(table.decided_at >= literal(since, Instant()), table.state == State.SENT.value)
        .correlate(batch)
        .scalar_subquery()
    )
    counted = select(batch.c.id.label("id"), its_sends.label("sent")).subquery()
    rows = await tx.execute(select(counted.c.id, counted.c.sent).where(counted.c.sent > 0))
    return {id: int(number) for id, number in rows}


async def find_overdue(tx: Transaction) -> list[Overdue]:
    """Return the overdue follow-ups by campaign, the longest overdue first."""
    return [Overdue(*found) for found in await count_overdue_by(tx, follow_ups.c.campaign)]


async def count_failed(tx: Transaction) -> dict[str, dict[Reason, int]]:
    """Return how many follow-ups failed, by campaign and reason."""
    found: dict[str, dict[Reason, int]] = defaultdict(dict)
    for one in await load_counts(tx, states=[State.FAILED]):
        if one.reason is not None:
            found[one.campaign][Reason(one.reason)] = one.count
    return found
