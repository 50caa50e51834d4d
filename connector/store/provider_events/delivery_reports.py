"""Loading the message that a delivery report is about, and saving what the report changes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, update

from connector.rules.provider_events.delivery_reports import ReportedDelivery
from connector.rules.sending.deliveries import DeliveryState, receive_id
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, interactions


async def find_reported_delivery(tx: Transaction, delivery_id: str) -> ReportedDelivery | None:
    """Return the message with that id, or None."""
    table = deliveries.c
    columns = [table[name] for name in ReportedDelivery.__dataclass_fields__]
    row = (await tx.execute(select(*columns).where(tx.in_workspace(deliveries), table.id == delivery_id))).one_or_none()
    return None if row is None else ReportedDelivery(**{**row._mapping, "state": DeliveryState(row.state)})


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


async def is_logged(tx: Transaction, user_key: str, item_id: str, since: datetime) -> bool:
    """Return whether the user's log has an item with this id at or after `since`, on any day."""
    table = interactions.c
    item = select(table.id).where(
        tx.in_workspace(interactions), table.user_key == user_key, table.t >= since, table.id == item_id
    )
    return (await tx.execute(item.limit(1))).one_or_none() is not None


async def _update(tx: Transaction, delivery_id: str, **values: object) -> None:
    where = (tx.in_workspace(deliveries), deliveries.c.id == delivery_id)
    await tx.execute(update(deliveries).where(*where).values(**values))
