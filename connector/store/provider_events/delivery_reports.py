"""What delivery reports need to know of a message, and what they change of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, func, or_, select, update

from connector.rules.sending.deliveries import DeliveryState, receive_id
from connector.store.engine.transaction import Transaction
from connector.store.tables import deliveries, interactions


@dataclass(frozen=True)
class ReportedDelivery:
    """A message that a report may be about. `claimed_at` is its dispatch, UTC, where it went out or may have."""

    id: str
    follow_up_id: str
    campaign: str
    user_key: str
    channel: str
    state: DeliveryState
    fault: str | None
    claimed_at: datetime | None
    provider_id: str | None


async def find_message(tx: Transaction, delivery_id: str) -> ReportedDelivery | None:
    """The message of that id, None where there is none."""
    table = deliveries.c
    columns = [table[name] for name in ReportedDelivery.__dataclass_fields__]
    row = (await tx.execute(select(*columns).where(tx.in_workspace(deliveries), table.id == delivery_id))).one_or_none()
    return None if row is None else ReportedDelivery(**{**row._mapping, "state": DeliveryState(row.state)})


async def mark_taken(
    tx: Transaction,
    delivery_id: str,
    provider_id: str | None,
    *,
    claimed_at: datetime,
    now: datetime,
) -> None:
    """The provider had taken it, whatever its answer was: an outcome that comes late mends it (guarantee 4)."""
    await _change(
        tx,
        delivery_id,
        state=DeliveryState.SENT.value,
        reason=None,
        fault=None,
        claimed_at=claimed_at,
        decided_at=now,
        provider_id=func.coalesce(deliveries.c.provider_id, provider_id),
    )


async def note_fault(tx: Transaction, delivery_id: str, fault: str | None) -> None:
    """Why a message that was sent did not arrive: a code of ours."""
    await _change(tx, delivery_id, fault=fault)


async def note_faults(tx: Transaction, faults: Mapping[str, str]) -> None:
    """The same for many messages, by their ids, in one statement.

    What was not sent keeps its own fault, and a text that is known to have arrived has none; email can come back.
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


async def is_logged(tx: Transaction, user_key: str, item: str, since: datetime) -> bool:
    """Whether the user's log has an item of this id from then on, on whatever day."""
    table = interactions.c
    found = select(table.id).where(
        tx.in_workspace(interactions), table.user_key == user_key, table.t >= since, table.id == item
    )
    return (await tx.execute(found.limit(1))).one_or_none() is not None


async def _change(tx: Transaction, delivery_id: str, **values: object) -> None:
    where = (tx.in_workspace(deliveries), deliveries.c.id == delivery_id)
    await tx.execute(update(deliveries).where(*where).values(**values))
