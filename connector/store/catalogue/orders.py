"""Carry out orders, each once: open and close windows, make revisions live, begin launches.

What an order changes of the catalogue is decided by `connector.rules.catalogue.lifecycle`; here it is written.

ConnectorError
└── VersionMoved     the catalogue has changed since the order was evaluated
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import func, insert, literal, select, update

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.lifecycle import STATE_AFTER, OrderVerb, apply_order
from connector.rules.model.errors import ConnectorError, OrderRefused
from connector.rules.publishing.orders import OrderPlan
from connector.rules.sending.launching import launch_id, scheduled
from connector.store.catalogue.current import raise_version, read_head
from connector.store.engine.bulk import as_table, in_set, insert_into, insert_rows
from connector.store.engine.transaction import Transaction, database_now
from connector.store.tables import Instant, entries, interactions, launches, orders, publications, revisions


class VersionMoved(ConnectorError):
    """The catalogue has changed since it was loaded; load it again and evaluate the order again."""


async def find_receipt(tx: Transaction, order_id: str, digest: str | None = None) -> dict[str, Any] | None:
    """Return the receipt of an order, in JSON values; None if the order was not carried out.

    Args:
        digest: what is ordered now; None: whatever was ordered.

    Raises:
        OrderRefused: another order was carried out under this id.
    """
    statement = select(orders.c.receipt, orders.c.verb, orders.c.ids)
    done = (await tx.execute(statement.where(tx.in_workspace(orders), orders.c.order_id == order_id))).one_or_none()
    if done is None:
        return None
    if digest is not None and (done.receipt.get("digest") or digest) != digest:  # earlier versions recorded none
        ordered = f"{done.verb} {', '.join(done.ids[:3])}{' …' if len(done.ids) > 3 else ''}"
        raise OrderRefused([f"this idempotency key belongs to another order, `{ordered}`; use a new key"])
    receipt: dict[str, Any] = done.receipt
    return receipt


async def commit_order(
    tx: Transaction,
    catalogue: Catalogue,
    plan: OrderPlan,
    *,
    order_id: str,
    verb: OrderVerb,
    ids: Sequence[str],
    effective_at: datetime,
    digest: str | None = None,
) -> dict[str, Any]:
    """Carry out an order, all or nothing, and return its receipt in JSON values. The caller holds the exclusive lock.

    A repeated order id changes nothing and returns the receipt of the first time. An order that changes nothing is
    recorded too, but leaves the version as it is (P5).

    Args:
        plan: what changes, as `connector.rules.publishing.orders` evaluated it on `catalogue`.
        effective_at: the instant of `next_instant`, UTC; one for all that the order changes.
        digest: what is ordered, to be recorded with the receipt.

    Raises:
        OrderRefused: another order was carried out under this id.
        VersionMoved: the catalogue has changed since; nothing was written.
    """
    done = await find_receipt(tx, order_id, digest)
    if done is not None:
        return done
    await _move_version(tx, catalogue.version, effective_at, bool(plan.sequence))
    after = apply_order(catalogue, verb, plan.sequence, effective_at)
    if plan.sequence:
        await _write_entries(tx, catalogue, after, verb, plan.sequence, effective_at)
        await _write_launches(tx, after, verb, order_id, plan.sequence, effective_at)
    receipt: dict[str, Any] = to_jsonable_python(
        {
            "order_id": order_id,
            "verb": verb,
            "changed": plan.sequence,
            "unchanged": plan.unchanged,
            "effective_at": effective_at if plan.sequence else None,
            "version": after.version,
            "warnings": plan.warnings,
            "digest": digest,
        }
    )
    record = {"order_id": order_id, "verb": verb, "ids": list(ids), "version": after.version, "receipt": receipt}
    await tx.execute(insert(orders).values(workspace=tx.workspace, ordered_at=effective_at, **record))
    return receipt


async def next_instant(tx: Transaction) -> datetime:
    """Return the instant at which an order takes effect: the database's clock, but after everything received so far.

    A coarse clock, or one that was set back, could otherwise give an interaction evaluated before the order the same
    time or a later one (guarantee 1). The caller holds the exclusive lock. For the same reason `Transaction.now` is
    never before the catalogue's last change.
    """
    now = await database_now(tx)
    newest = select(func.max(interactions.c.received_at)).where(tx.in_workspace(interactions))
    earlier = ((await tx.execute(newest)).scalar_one(), (await read_head(tx)).changed_at)
    return max([now, *(before + timedelta(microseconds=1) for before in earlier if before is not None)])


async def _move_version(tx: Transaction, expected: int, effective_at: datetime, has_changes: bool) -> None:
    if has_changes:
        is_expected = await raise_version(tx, expected, effective_at)
    else:
        is_expected = (await read_head(tx)).version == expected
    if not is_expected:
        raise VersionMoved(f"the catalogue is no longer at version {expected}; load it again and evaluate again")


async def _write_entries(
    tx: Transaction, before: Catalogue, after: Catalogue, verb: OrderVerb, ids: Sequence[str], at: datetime
) -> None:
    """Write what differs between two catalogues: states, revisions that take effect, windows opened and closed."""
    values: dict[str, Any] = {"state": STATE_AFTER[verb], "changed_in": after.version}
    if verb == "publish":
        await _write_effective_revisions(tx, before, after, ids)
        values["live_revision"] = entries.c.newest_revision
        values["first_effective_at"] = func.coalesce(entries.c.first_effective_at, literal(at, Instant))
    await tx.execute(update(entries).where(tx.in_workspace(entries), in_set(tx, entries.c.id, ids)).values(**values))
    if STATE_AFTER[verb] != "active":
        is_open = (in_set(tx, publications.c.id, ids), publications.c.closed_at.is_(None))
        await tx.execute(update(publications).where(tx.in_workspace(publications), *is_open).values(closed_at=at))
        return
    opened = [id for id in sorted(ids) if len(after.entries[id].windows) > len(before.entries[id].windows)]
    rows = [{"workspace": tx.workspace, "id": id, "opened_at": at} for id in opened]
    if rows:
        await tx.execute(insert_rows(tx, publications, rows))


async def _write_effective_revisions(tx: Transaction, before: Catalogue, after: Catalogue, ids: Sequence[str]) -> None:
    newest = [(id, after.entries[id].newest) for id in ids if after.entries[id].newest != before.entries[id].newest]
    rows = [{"id": id, "revision": r.number, "effective_at": r.effective_at} for id, r in newest]
    if rows:
        table = revisions.c
        effective = as_table(tx, {name: table[name].type for name in rows[0]}, rows).c
        where = (tx.in_workspace(revisions), table.id == effective.id, table.revision == effective.revision)
        await tx.execute(update(revisions).where(*where).values(effective_at=effective.effective_at))


async def _write_launches(
    tx: Transaction, after: Catalogue, verb: OrderVerb, order_id: str, ids: Sequence[str], at: datetime
) -> None:
    """Begin launches of published scheduled originals, and mark the running ones for the outbox to signal.

    A campaign that was launched before is not launched again.
    """
    launched = [id for id in ids if verb == "publish" and scheduled(after.entries[id]) is not None]
    if launched:
        new = {"workspace": tx.workspace, "published_at": at, "kept_up_at": at, "minute_count": 0, "told_in": 0}
        rows = [
            {**new, "launch_id": launch_id(order_id, id), "campaign": id, "changed_in": after.version}
            for id in launched
        ]
        await tx.execute(insert_into(tx, launches).on_conflict_do_nothing(), rows)
    where = (tx.in_workspace(launches), in_set(tx, launches.c.campaign, ids), launches.c.ended_at.is_(None))
    await tx.execute(update(launches).where(*where).values(changed_in=after.version))
