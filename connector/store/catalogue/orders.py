"""Carrying out orders: windows opened and closed, revisions made live, each order once.

ConnectorError
└── VersionMoved     the catalogue is no longer the one that the order was judged by
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, insert, literal, select, update

from connector.rules.catalogue.lifecycle import STATE_AFTER
from connector.rules.model.errors import ConnectorError
from connector.rules.publishing.orders import OrderPlan
from connector.store.catalogue.versions import raise_version, read_head
from connector.store.engine.database import database_now
from connector.store.engine.sets import in_set
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import note_order
from connector.store.tables import Instant, entries, interactions, orders, publications, revisions
from connector.wire import Order, OrderReceipt


class VersionMoved(ConnectorError):
    """Somebody else changed the catalogue meanwhile; load it again and judge again."""


async def find_receipt(tx: Transaction, order_id: str) -> OrderReceipt | None:
    """What an order did, where it has been carried out."""
    statement = select(orders.c.receipt).where(tx.in_workspace(orders), orders.c.order_id == order_id)
    receipt = (await tx.execute(statement)).scalar_one_or_none()
    return None if receipt is None else OrderReceipt.model_validate(receipt)


async def commit_order(
    tx: Transaction, order: Order, plan: OrderPlan, *, expected_version: int, effective_at: datetime
) -> OrderReceipt:
    """Carry out a judged order, all or nothing. The caller holds the exclusive lock.

    A repeated order id answers with the receipt that it had and changes nothing. An order that changes nothing is
    remembered too, but leaves the version as it is (P5).

    Args:
        plan: what changes, as `connector.rules.publishing.orders` judged it on the catalogue of `expected_version`.
        effective_at: the instant of `next_instant`, UTC; one for all that the order changes.

    Raises:
        VersionMoved: the catalogue is no longer the one that the order was judged by; nothing was changed.
    """
    done = await find_receipt(tx, order.order_id)
    if done is not None:
        return done
    version = await _move_version(tx, expected_version, effective_at, bool(plan.sequence))
    if plan.sequence:
        await _change(tx, order, plan.sequence, version, effective_at)
    receipt = OrderReceipt(
        order_id=order.order_id,
        verb=order.verb,
        changed=plan.sequence,
        unchanged=plan.unchanged,
        effective_at=effective_at if plan.sequence else None,
        version=version,
        warnings=plan.warnings,
    )
    await _remember(tx, order, receipt, effective_at)
    return receipt


async def next_instant(tx: Transaction) -> datetime:
    """The instant at which an order takes effect: the database's clock, but after everything received so far.

    A clock that is coarse or was set back could otherwise give an interaction judged before the order the same time
    or a later one (guarantee 1). The caller holds the exclusive lock. For the same reason intake takes no time before
    the head's `changed_at`.
    """
    now = await database_now(tx)
    newest = select(func.max(interactions.c.received_at)).where(tx.in_workspace(interactions))
    earlier = ((await tx.execute(newest)).scalar_one(), (await read_head(tx)).changed_at)
    return max([now, *(before + timedelta(microseconds=1) for before in earlier if before is not None)])


async def _move_version(tx: Transaction, expected: int, effective_at: datetime, changes: bool) -> int:
    if changes:
        held = await raise_version(tx, expected, effective_at)
    else:
        held = (await read_head(tx)).version == expected
    if not held:
        raise VersionMoved(f"the catalogue is no longer at version {expected}; load it again and judge again")
    return expected + changes


async def _change(tx: Transaction, order: Order, ids: Sequence[str], version: int, at: datetime) -> None:
    state = STATE_AFTER[order.verb]
    values: dict[str, Any] = {"state": state, "changed_in": version}
    if order.verb == "publish":
        await _make_live(tx, ids, at)
        values["live_revision"] = entries.c.newest_revision
        values["first_effective_at"] = func.coalesce(entries.c.first_effective_at, literal(at, Instant))
    chosen = (tx.in_workspace(entries), in_set(tx, entries.c.id, ids))
    await tx.execute(update(entries).where(*chosen).values(**values))
    await (_open_windows if state == "active" else _close_windows)(tx, ids, at)
    await note_order(tx, order.verb, order.order_id, ids, version, at)


async def _make_live(tx: Transaction, ids: Sequence[str], at: datetime) -> None:
    newest = select(entries.c.newest_revision).where(tx.in_workspace(entries), entries.c.id == revisions.c.id)
    await tx.execute(
        update(revisions)
        .where(tx.in_workspace(revisions), in_set(tx, revisions.c.id, ids))
        .where(revisions.c.revision == newest.scalar_subquery())
        # Published before and stopped since: it keeps the instant at which it first took effect.
        .where(revisions.c.effective_at.is_(None))
        .values(effective_at=at)
    )


async def _open_windows(tx: Transaction, ids: Sequence[str], at: datetime) -> None:
    """Open a window where none is open: that of an active entry stays, across its revisions (P10)."""
    is_open = exists().where(
        tx.in_workspace(publications), publications.c.id == entries.c.id, publications.c.closed_at.is_(None)
    )
    closed = (
        select(entries.c.workspace, entries.c.id, literal(at, Instant))
        .where(tx.in_workspace(entries), in_set(tx, entries.c.id, ids), ~is_open)
        .order_by(entries.c.id)
    )
    await tx.execute(insert(publications).from_select(["workspace", "id", "opened_at"], closed))


async def _close_windows(tx: Transaction, ids: Sequence[str], at: datetime) -> None:
    await tx.execute(
        update(publications)
        .where(tx.in_workspace(publications), in_set(tx, publications.c.id, ids))
        .where(publications.c.closed_at.is_(None))
        .values(closed_at=at)
    )


async def _remember(tx: Transaction, order: Order, receipt: OrderReceipt, ordered_at: datetime) -> None:
    await tx.execute(
        insert(orders).values(
            workspace=tx.workspace,
            order_id=order.order_id,
            verb=order.verb,
            ids=list(order.ids),
            version=receipt.version,
            ordered_at=ordered_at,
            receipt=receipt.model_dump(mode="json"),
        )
    )
