"""Lifecycle orders, as the API and the command line give them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from uuid import uuid4

from connector.app.context import AppContext
from connector.temporal.registry_client import submit_order
from connector.wire import Order, OrderReceipt

Verb = Literal["publish", "stop", "resume", "archive"]


async def order_now(
    context: AppContext, verb: Verb, ids: Sequence[str], *, with_follow_ons: bool = False, allow_missed: bool = False
) -> OrderReceipt:
    """Have the registry carry out an order, all of it or nothing.

    Raises:
        OrderRefused: with every problem. RegistryUnavailable: no worker answered. TemporalUnavailable: it is away.
    """
    order = Order(
        workspace=context.workspace,
        order_id=uuid4().hex,
        verb=verb,
        ids=tuple(ids),
        with_follow_ons=with_follow_ons,
        allow_missed=allow_missed,
    )
    receipt = await submit_order(await context.temporal.client(), order)
    context.outbox.nudge()
    return receipt
