"""Messages that are due and tried again, because their provider is away or their channel has none (W6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import Select, func, literal, select

from connector.rules.model.values import ChannelName
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
    messages = _retried_messages(tx)
    if campaign is not None:
        messages = messages.where(deliveries.c.campaign == campaign)
    found = messages.subquery()
    group = (found.c.campaign, found.c.channel, found.c.fault)
    statement = (
        select(*group, func.count(), func.min(found.c.next_at))
        .where(found.c.next_at.is_not(None))
        .group_by(*group)
        .order_by(*group)
    )
    return [RetriedMessages(*row) for row in await tx.execute(statement)]


async def find_retried_channels(tx: Transaction) -> Sequence[tuple[str, str]]:
    """Return the (channel, fault) pairs of messages that are tried again, of the first thousand messages."""
    found = _retried_messages(tx).subquery()
    is_due = found.c.next_at.is_not(None)
    examined = select(found.c.channel, found.c.fault).where(is_due).limit(_MAX_EXAMINED).subquery()
    pairs = select(examined.c.channel, examined.c.fault).distinct().order_by(examined.c.channel, examined.c.fault)
    return [(row.channel, row.fault) for row in await tx.execute(pairs)]


def _retried_messages(tx: Transaction) -> Select[Any]:
    """Return the query for open messages with a fault, each with the time of its follow-up; null: that has ended.

    There are few of them, and SQLite would begin a join with all open follow-ups.
    """
    its_time = (
        select(follow_ups.c.next_at)
        .where(
            follow_ups.c.workspace == deliveries.c.workspace, follow_ups.c.id == deliveries.c.follow_up_id, is_open()
        )
        .scalar_subquery()
    )
    # Written out, so that the partial index on open messages is used; with the channels, or SQLite prefers another one.
    is_waiting = deliveries.c.state == literal(DeliveryState.OPEN.value, literal_execute=True)
    is_any_channel = deliveries.c.channel.in_(get_args(ChannelName))
    columns = (deliveries.c.campaign, deliveries.c.channel, deliveries.c.fault, its_time.label("next_at"))
    return select(*columns).where(
        tx.in_workspace(deliveries), is_waiting, is_any_channel, deliveries.c.fault.is_not(None)
    )
