"""Submit lifecycle orders to the registry, and preview what a resume would do."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from connector.app.context import AppContext
from connector.app.store_context import StoreContext
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.model.audit import Act, Actor, AuditAction, Outcome
from connector.rules.model.errors import OrderRefused
from connector.rules.publishing.orders import find_ordered
from connector.store.audit import record_audit
from connector.store.catalogue.orders import find_receipt
from connector.store.engine.database import LONG_SECONDS
from connector.store.engine.outages import StoreUnavailable
from connector.temporal.registry_client import submit_order
from connector.wire import Order, OrderReceipt
from starter.operations.change_previews import preview_resume, view_resume
from starter.operations.order_keys import OrderKey

MAX_ORDERED = 10_000
"""Campaigns and cards in one order over HTTP."""
_MAX_NAMED = 5
"""How many problems, and how many ids of very many, the entry of a refused order names."""
_MAX_ENTRIES = 100
"""An order about more ids that is refused before the registry was asked leaves one entry for all of them."""


async def give_order(
    context: AppContext,
    actor: Actor,
    verb: OrderVerb,
    ids: Sequence[str],
    *,
    reason: str | None = None,
    with_follow_ons: bool = False,
    allow_missed: bool = False,
    key: OrderKey | None = None,
) -> dict[str, Any]:
    """Have the registry carry out an order, and return its receipt; see `order_now`.

    An id that is not known is refused at once, with the words of the registry, for which no worker is needed.
    """
    receipt = await order_now(
        context,
        actor,
        verb,
        ids,
        reason=reason,
        with_follow_ons=with_follow_ons,
        allow_missed=allow_missed,
        key=key,
    )
    return receipt.model_dump(mode="json")


async def preview_resuming(context: StoreContext, ids: Sequence[str]) -> dict[str, Any]:
    """Return what resuming these would do now, and change nothing.

    Raises:
        OrderRefused: the order would be refused; names every problem.
    """
    async with context.database.read(context.workspace, seconds=LONG_SECONDS) as tx:
        return view_resume(await preview_resume(tx, ids))


async def order_now(
    context: AppContext,
    actor: Actor,
    verb: OrderVerb,
    ids: Sequence[str],
    *,
    reason: str | None = None,
    with_follow_ons: bool = False,
    allow_missed: bool = False,
    key: OrderKey | None = None,
) -> OrderReceipt:
    """Have the registry carry out an order, all or nothing.

    The request is recorded in the audit trail before the registry gets it; the activity that commits the order records
    that it was done. So no order takes effect without an entry, and who gave it stays out of Temporal (guarantee 8).

    Args:
        reason: why, as the actor wrote it, for the audit trail.
        key: an order that is repeated with the same key is carried out once; None: it is a new order.

    Raises:
        OrderRefused: names every problem, or the key belongs to another order; nothing was changed.
        TemporalUnavailable: Temporal cannot be reached; nothing was changed.
        RegistryUnavailable: no answer came, or not in time; the order may still be carried out.
        StoreUnavailable: the request could not be recorded; nothing was changed.
    """
    order = Order(
        workspace=context.workspace,
        order_id=uuid4().hex if key is None else key.order_id(context.workspace),
        verb=verb,
        ids=tuple(ids),
        with_follow_ons=with_follow_ons,
        allow_missed=allow_missed,
    )
    receipt = await _find_receipt(context, order) if key is not None else None
    if receipt is None:
        receipt = await _submit(context, actor, order, reason, may_repeat=key is not None)
        context.outbox.nudge()
    return receipt


async def _submit(
    context: AppContext, actor: Actor, order: Order, reason: str | None, *, may_repeat: bool
) -> OrderReceipt:
    ids, is_requested = list(dict.fromkeys(order.ids)), False
    try:
        find_ordered(await context.cache.at_least(context.database), order.ids)
        client = await context.temporal.client()
        await _record(context, actor, order, "requested", reason, ids)
        is_requested = True
        return await submit_order(client, order, may_repeat=may_repeat)
    except OrderRefused as refusal:
        named = {"problems": list(refusal.problems[:_MAX_NAMED])}
        with suppress(StoreUnavailable):
            if is_requested or len(ids) <= _MAX_ENTRIES:
                await _record(context, actor, order, "refused", reason, ids, **named)
            else:
                number = {"ids": len(ids), "first_ids": ids[:_MAX_NAMED]}
                await _record(context, actor, order, "refused", reason, [None], **number, **named)
        raise


async def _record(
    context: AppContext,
    actor: Actor,
    order: Order,
    outcome: Outcome,
    reason: str | None,
    subjects: Sequence[str | None],
    **details: object,
) -> None:
    options = {name: True for name in ("with_follow_ons", "allow_missed") if getattr(order, name)} | details
    act_id = order.act_id  # once: it is a digest of all ids
    acts = [Act(AuditAction(order.verb), subject, options, reason, outcome, act_id) for subject in subjects]
    async with context.database.write(context.workspace, lock="none") as tx:
        await record_audit(tx, actor, *acts)


async def _find_receipt(context: AppContext, order: Order) -> OrderReceipt | None:
    """Return the receipt of an order that was carried out, for which no worker is needed. Raises OrderRefused."""
    async with context.database.read(context.workspace) as tx:
        receipt = await find_receipt(tx, order.order_id, order.digest)
    return None if receipt is None else OrderReceipt.model_validate(receipt)
