"""Counts of follow-ups and messages that no trigger of the database keeps, for operators."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy import case, func, literal, select

from connector.rules.model.reasons import Reason, State
from connector.store.engine.bulk import in_set
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, follow_ups

_MAX_EXAMINED = 1000
"""Enough to name a problem, and bounded for probes that are called every few seconds."""


async def count_unknown_results(tx: Transaction) -> int:
    """Count, of the newest thousand follow-ups that failed, those of which it is unknown whether they were sent."""
    table = follow_ups.c
    newest = (
        select(table.reason)
        .where(tx.in_workspace(follow_ups), table.state == State.FAILED.value)
        .order_by(table.triggered_at.desc())
        .limit(_MAX_EXAMINED)
        .subquery()
    )
    unknown = select(func.count()).select_from(newest).where(newest.c.reason == Reason.SEND_UNKNOWN.value)
    return int((await tx.execute(unknown)).scalar_one())


async def count_template_faults(tx: Transaction, campaign: str, limit: int = 20) -> list[tuple[str, int]]:
    """Count the messages of a campaign whose template failed (W7), by place and problem, the most frequent first."""
    table, count = deliveries.c, func.count().label("count")
    statement = (
        select(table.detail, count)
        .where(tx.in_workspace(deliveries), table.campaign == campaign, table.detail.is_not(None))
        .where(table.reason == literal(Reason.TEMPLATE_FAILED.value, literal_execute=True))  # its partial index
        .group_by(table.detail)
        .order_by(count.desc(), table.detail)
        .limit(limit)
    )
    return [(detail, number) for detail, number in await tx.execute(statement)]


@dataclass(frozen=True)
class WaitCounts:
    """The follow-ups of one campaign and one revision that wait or are held, and the number of their users."""

    campaign: str
    revision: int
    users: int
    waiting: int
    held: int


async def count_waits(tx: Transaction, campaigns: Collection[str]) -> list[WaitCounts]:
    """Count who stays on which revision of these campaigns when a newer one is published (P10), in one statement."""
    table = follow_ups.c
    waiting, held = (func.sum(case((table.state == s.value, 1), else_=0)) for s in (State.WAITING, State.HELD))
    statement = (
        select(table.campaign, table.revision, func.count(table.user_key.distinct()), waiting, held)
        .where(tx.in_workspace(follow_ups), in_set(tx, table.campaign, campaigns))
        .where(table.state.in_((State.WAITING.value, State.HELD.value)))
        .group_by(table.campaign, table.revision)
        .order_by(table.campaign, table.revision)
    )
    return [WaitCounts(*row) for row in await tx.execute(statement)]
