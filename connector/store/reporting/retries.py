"""Messages that are due and tried again, because their provider is away or their channel has none (W6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, func, literal, select

from connector.rules.sending.deliveries import DeliveryState
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.selection import is_open
from connector.store.tables import deliveries, follow_ups

_MAX_EXAMINED = 1000
"""Enough to name the faults of every channel, and bounded for probes that are called every few seconds."""


@dataclass(frozen=True)
class RetriedMessages:
    """The number of messages of one campaign and channel that are tried again after the same fault.

    `due_since` is when the oldest of them fell due, UTC.
    """

    campaign: str
    channel: str
    fault: str
    count: int
    due_since: datetime


async def count_retried(tx: Transaction, campaign: str | None = None) -> list[RetriedMessages]:
    """Count the messages that are tried again, by campaign, channel and fault; None: of all campaigns."""
    group = (deliveries.c.campaign, deliveries.c.channel, deliveries.c.fault)
    statement = (
        select(*group, func.count(), func.min(follow_ups.c.next_at))
        .join(follow_ups, _same_follow_up())
        .where(*_is_retried(tx))
        .group_by(*group)
        .order_by(*group)
    )
    if campaign is not None:
        statement = statement.where(deliveries.c.campaign == campaign)
    return [RetriedMessages(*row) for row in await tx.execute(statement)]


async def find_retried_channels(tx: Transaction) -> Sequence[tuple[str, str]]:
    """Return the (channel, fault) pairs of messages that are tried again, of the first thousand messages."""
    examined = (
        select(deliveries.c.channel, deliveries.c.fault)
        .join(follow_ups, _same_follow_up())
        .where(*_is_retried(tx))
        .limit(_MAX_EXAMINED)
        .subquery()
    )
    pairs = select(examined.c.channel, examined.c.fault).distinct().order_by(examined.c.channel, examined.c.fault)
    return [(row.channel, row.fault) for row in await tx.execute(pairs)]


def _same_follow_up() -> ColumnElement[bool]:
    same_workspace = follow_ups.c.workspace == deliveries.c.workspace
    return and_(same_workspace, follow_ups.c.id == deliveries.c.follow_up_id)


def _is_retried(tx: Transaction) -> tuple[Any, ...]:
    # Written out, so that the partial index on open messages is used.
    is_waiting = deliveries.c.state == literal(DeliveryState.OPEN.value, literal_execute=True)
    return tx.in_workspace(deliveries), is_waiting, deliveries.c.fault.is_not(None), is_open()
