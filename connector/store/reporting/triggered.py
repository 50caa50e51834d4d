"""The follow-ups that were triggered within a time, by their ends, and how soon exceptions came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, literal, select

from connector.rules.model.reasons import NOTED, State
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.tallies import Count, load_counts
from connector.store.tables import Instant, decisions, follow_ups

MAX_WAITS = 5000
"""How many exceptions are looked at, the newest triggers first: more would not change the shares."""
_STORED = [state.value for state in State if state is not State.REFUSED]


async def count_triggered(
    tx: Transaction, campaign: str, since: datetime | None = None, until: datetime | None = None
) -> list[Count]:
    """Count a campaign's follow-ups that were triggered in [since, until), UTC, and the refusals, by state and reason.

    Without a bound, these are the counts that triggers of the database keep; within a time, index entries are counted.
    """
    if since is None and until is None:
        return await load_counts(tx, [campaign])
    rows, late = follow_ups.c, decisions.c
    begun = (
        select(rows.state, rows.reason, func.count())
        .where(tx.in_workspace(follow_ups), rows.campaign == campaign, rows.state.in_(_STORED))
        .where(*in_range(rows.triggered_at, since, until))
        .group_by(rows.state, rows.reason)
    )
    refused = (
        select(late.state, late.reason, func.count())
        .where(tx.in_workspace(decisions), late.campaign == campaign, late.state.in_((State.REFUSED.value, NOTED)))
        .where(*in_range(late.t, since, until))
        .group_by(late.state, late.reason)
    )
    found = [row for statement in (begun, refused) for row in await tx.execute(statement)]
    return [Count(campaign, *row) for row in sorted(found, key=lambda row: (row[0], row[1] or ""))]


async def load_exception_waits(
    tx: Transaction, campaign: str, since: datetime | None = None, until: datetime | None = None
) -> Sequence[timedelta]:
    """Return how long after the trigger exceptions cancelled follow-ups, of at most `MAX_WAITS`, the newest triggers.

    Args:
        since, until: of triggers in [since, until), UTC.
    """
    table = follow_ups.c
    statement = (
        select(table.triggered_at, table.exception_at)
        .where(tx.in_workspace(follow_ups), table.campaign == campaign, table.state == State.EXCEPTED.value)
        .where(*in_range(table.triggered_at, since, until))
        .order_by(table.triggered_at.desc(), table.id.desc())
        .limit(MAX_WAITS)
    )
    return [at - triggered_at for triggered_at, at in await tx.execute(statement) if at is not None]


def in_range(at: ColumnElement[Any], since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    """Return the conditions that an instant is in [since, until), UTC; None: without a bound."""
    bounds = [] if since is None else [at >= literal(since, Instant())]
    return bounds if until is None else [*bounds, at < literal(until, Instant())]
