"""Submit lifecycle orders to the registry."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from connector.app.context import AppContext
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.store.catalogue.orders import find_receipt
from connector.temporal.registry_client import submit_order
from connector.wire import Order, OrderReceipt
from starter.operations.order_keys import OrderKey


async def order_now(
    context: AppContext,
    verb: OrderVerb,
    ids: Sequence[str],
    *,
    with_follow_ons: bool = False,
    allow_missed: bool = False,
    key: OrderKey | None = None,
) -> OrderReceipt:
    """Have the registry carry out an order, all or nothing.

    Args:
        key: an order that is repeated with the same key is carried out once; None: it is a new order.

    Raises:
        OrderRefused: names every problem, or the key belongs to another order; nothing was changed.
        TemporalUnavailable: Temporal cannot be reached; nothing was changed.
        RegistryUnavailable: no answer came, or not in time; the order may still be carried out.
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
        receipt = await submit_order(await context.temporal.client(), order, may_repeat=key is not None)
        context.outbox.nudge()
    return receipt


async def _find_receipt(context: AppContext, order: Order) -> OrderReceipt | None:
    """Return the receipt of an order that was carried out, for which no worker is needed. Raises OrderRefused."""
    async with context.database.read(context.workspace) as tx:
        receipt = await find_receipt(tx, order.order_id, order.digest)
    return None if receipt is None else OrderReceipt.model_validate(receipt)
