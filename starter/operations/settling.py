"""Settle messages whose result is unknown: load → decide → apply."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.app.context import AppContext
from connector.app.store_context import StoreContext
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.audit import Act, Actor, AuditAction
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction, is_too_old
from connector.rules.sending.deliveries import DeliveryRecord, build_receive_interaction, receive_id
from connector.rules.sending.resolving import Resolution, decide_resolution
from connector.store.audit import record_audit
from connector.store.catalogue.current import with_current_catalogue
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.counting import count_ended
from connector.store.follow_ups.deliveries import load_deliveries, save_resolution
from connector.store.follow_ups.follow_ups import load_locked, update_follow_ups
from connector.store.follow_ups.receipts import receipt_key, save_receipts, withdraw_receipt
from connector.store.users.log import is_logged
from connector.store.users.users import load_users
from connector.temporal.follow_up_client import FollowUpUnknown, OperationRefused


@dataclass(frozen=True)
class Settled:
    """The result of settling a message. `changed` is false if it was settled so before."""

    follow_up: FollowUp
    channel: str
    changed: bool


async def resolve(
    context: AppContext, actor: Actor, follow_up_id: str, *, was_sent: bool, channel: str | None, note: str
) -> Settled:
    """Settle a message whose result is unknown: it was sent, or it was not and may be sent again (guarantee 4).

    A message that was sent makes its `receive_*` interaction, at its dispatch. One that was not is no receipt any more.

    Raises:
        FollowUpUnknown: there is no follow-up with this id.
        OperationRefused: its result is known and differs, or a channel must be named.
        StoreUnavailable: nothing was changed.
    """

    async def act(tx: Transaction, catalogue: Catalogue) -> tuple[Settled, bool]:
        follow_up = (await load_locked(tx, [follow_up_id])).get(follow_up_id)
        if follow_up is None:
            raise unknown_follow_up(follow_up_id)
        deliveries = await load_deliveries(tx, follow_up_id)
        decided = decide_resolution(follow_up, deliveries, channel, was_sent=was_sent, now=tx.now)
        if isinstance(decided, str):
            raise OperationRefused(decided)
        if decided.follow_up is None:
            return Settled(follow_up, decided.delivery.channel, changed=False), False
        begun = await _apply_resolution(tx, catalogue, context, decided, decided.follow_up, was_sent=was_sent)
        if follow_up.is_open:
            count_ended(tx, [decided.follow_up])
        details = {"campaign": follow_up.campaign, "channel": decided.delivery.channel, "sent": was_sent}
        await record_audit(tx, actor, Act(AuditAction.RESOLVE, follow_up.user_key, details, note))
        return Settled(decided.follow_up, decided.delivery.channel, changed=True), begun

    settled, begun = await with_current_catalogue(context.database, context.cache, context.workspace, act)
    if begun:
        context.outbox.nudge()
    return settled


async def settle(
    context: AppContext, actor: Actor, follow_up_id: str, *, was_sent: bool, channel: str | None, note: str
) -> dict[str, Any]:
    """Settle a message as `resolve` does, and return it as JSON values."""
    settled = await resolve(context, actor, follow_up_id, was_sent=was_sent, channel=channel, note=note)
    follow_up = settled.follow_up
    return {
        "id": follow_up.id,
        "channel": settled.channel,
        "changed": settled.changed,
        "state": follow_up.state.value,
        "reason": follow_up.reason,
    }


async def _apply_resolution(
    tx: Transaction,
    catalogue: Catalogue,
    context: AppContext,
    decided: Resolution,
    follow_up: FollowUp,
    *,
    was_sent: bool,
) -> bool:
    """Save a settled message and its follow-up; return whether its interaction began or ended other follow-ups."""
    delivery = decided.delivery
    dispatched_at = delivery.claimed_at or tx.now
    await save_resolution(tx, delivery)
    await update_follow_ups(tx, [follow_up])
    if not was_sent:
        await withdraw_receipt(tx, follow_up, dispatched_at)
        return False
    await save_receipts(tx, {receipt_key(follow_up): dispatched_at})
    item = await _receive_interaction(tx, context, delivery, dispatched_at)
    if item is None:
        return False
    return (await context.intake.ingest_in_transaction(tx, catalogue, [item], anonymous={item.user})).changed


async def _receive_interaction(
    tx: Transaction, context: StoreContext, delivery: DeliveryRecord, at: datetime
) -> Interaction | None:
    """Return the interaction of receiving the message; None if it is logged, or older than the log, or has no user."""
    stored = (await load_users(tx, [delivery.user_key])).get(delivery.user_key)
    if stored is None or await is_logged(tx, delivery.user_key, receive_id(delivery.id)):
        return None
    item = build_receive_interaction(delivery.id, delivery.channel, delivery.campaign, stored.user.id, at)
    return None if item is None or is_too_old(item, tx.now, context.settings.retention) else item


def unknown_follow_up(id: str) -> FollowUpUnknown:
    """Return the error of an id that no follow-up has."""
    return FollowUpUnknown(f"there is no follow-up {id!r}; `connector follow-ups` lists them")
