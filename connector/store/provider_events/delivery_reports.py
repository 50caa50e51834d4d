"""Save what delivery reports change of messages."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, update

from connector.rules.sending.deliveries import DeliveryState, receive_id
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, interactions


async def mark_accepted(
    tx: Transaction, delivery_id: str, provider_id: str | None, *, claimed_at: datetime, now: datetime
) -> None:
    """Mark a message as sent: the provider had accepted it, whatever its response was (guarantee 4)."""
    await _update(
        tx,
        delivery_id,
        state=DeliveryState.SENT.value,
        reason=None,
        fault=None,
        claimed_at=claimed_at,
        decided_at=now,
        provider_id=func.coalesce(deliveries.c.provider_id, provider_id),
    )


async def save_fault(tx: Transaction, delivery_id: str, fault: str | None) -> None:
    """Save why a message that was sent did not arrive, a code of ours; None: it arrived."""
    await _update(tx, delivery_id, fault=fault)


async def save_faults(tx: Transaction, faults: Mapping[str, str]) -> None:
    """Save the faults of many messages, by their ids, in one statement.

    A message that was not sent keeps its fault, and a text that arrived gets none; an email can bounce later.
    """
    if not faults:
        return
    table, log = deliveries.c, interactions.c
    receipt = select(log.id).where(
        tx.in_workspace(interactions),
        log.user_key == table.user_key,
        log.t >= table.claimed_at,
        log.id == bindparam("receipt"),
    )
    statement = (
        update(deliveries)
        .where(tx.in_workspace(deliveries), table.id == bindparam("delivery"))
        .where(table.state == DeliveryState.SENT.value, or_(table.channel == "email", ~receipt.exists()))
        .values(fault=bindparam("new_fault"))
    )
    rows = [{"delivery": id, "receipt": receive_id(id), "new_fault": fault} for id, fault in sorted(faults.items())]
    await tx.execute(statement, rows)


async def _update(tx: Transaction, delivery_id: str, **values: object) -> None:
    where = (tx.in_workspace(deliveries), deliveries.c.id == delivery_id)
    await tx.execute(update(deliveries).where(*where).values(**values))
