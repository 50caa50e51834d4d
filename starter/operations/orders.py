"""Lifecycle orders: their preview, which changes nothing, and their submission to the registry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

from connector.app.context import AppContext
from connector.rules.catalogue.catalogue import Entry
from connector.rules.catalogue.lifecycle import OrderVerb
from connector.rules.publishing.drafting import Definition, DraftResult, draft
from connector.rules.publishing.orders import OrderPlan, check_publish, missed_to_count
from connector.rules.publishing.preview import (
    DefinitionPreview,
    applying_warnings,
    other_entries,
    preview_definitions,
    unpublished_ids,
)
from connector.store.catalogue.cache import load_catalogue
from connector.store.catalogue.orders import find_receipt
from connector.store.engine.database import database_now
from connector.store.engine.transaction import Transaction
from connector.store.reporting.counts import WaitCounts, count_waits
from connector.store.users.log import count_interactions
from connector.temporal.registry_client import submit_order
from connector.wire import Order, OrderReceipt
from starter.operations.order_keys import OrderKey


@dataclass(frozen=True)
class Preview:
    """The effect of applying definitions and then publishing those that are not live.

    `order` is the order in which the publication would take effect (P5); with `refusals` it would not take effect at
    all. `waits` counts the follow-ups that would stay on the revision that they began with (P10). `other_entries` are
    saved campaigns and cards that are not among the definitions.
    """

    definitions: Sequence[DefinitionPreview]
    other_entries: Sequence[Entry]
    order: Sequence[str]
    refusals: Sequence[str]
    warnings: Sequence[str]
    waits: Sequence[WaitCounts]


async def preview_changes(tx: Transaction, definitions: Sequence[Definition], *, allow_missed: bool = False) -> Preview:
    """Evaluate definitions as `apply` and `publish` would, as of the database's clock, in one snapshot of the store.

    Raises:
        OrderRefused: `apply` would refuse them; names every problem.
    """
    catalogue = await load_catalogue(tx)
    drafted = draft(catalogue, definitions)
    ids = unpublished_ids(drafted, definitions)
    plan, refusals = await _check_publish(tx, drafted, ids, allow_missed)
    return Preview(
        definitions=preview_definitions(catalogue, drafted, definitions),
        other_entries=other_entries(catalogue, definitions),
        order=plan.sequence,
        refusals=refusals,
        warnings=[*applying_warnings(catalogue, drafted, ids), *plan.warnings],
        waits=await count_waits(tx, ids),
    )


async def _check_publish(
    tx: Transaction, drafted: DraftResult, ids: Sequence[str], allow_missed: bool
) -> tuple[OrderPlan, list[str]]:
    if not ids:
        return OrderPlan(()), []
    missed = await count_interactions(tx, missed_to_count(drafted.catalogue, ids))
    return check_publish(drafted.catalogue, ids, now=await database_now(tx), allow_missed=allow_missed, missed=missed)


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
        key: the order is carried out once, however often it comes with this key; None: it is a new order.

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
