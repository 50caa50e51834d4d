"""Applying a delivery report to its message: load → decide → apply, under the user's lock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from connector.ingest.intake import Intake
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction
from connector.rules.provider_events.delivery_reports import (
    DeliveryReport,
    decide_report,
    may_be_settled,
)
from connector.rules.sending.deliveries import (
    REPLACEABLE,
    DeliveryRecord,
    DeliveryState,
    build_receive_interaction,
    receive_id,
)
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import (
    delete_if_open,
    load_deliveries,
    load_delivery,
    mark_accepted,
    save_fault,
    settle,
)
from connector.store.follow_ups.follow_ups import load_follow_up
from connector.store.follow_ups.receipts import receipt_key, save_receipts
from connector.store.users.log import is_logged
from connector.store.users.users import load_users, lock_user


async def apply_delivery_report(
    tx: Transaction, catalogue: Catalogue, intake: Intake, report: DeliveryReport, *, retention: timedelta
) -> bool:
    """Apply a report that is known to come from the provider; return whether it made an interaction.

    Args:
        retention: how long the log is kept; a report on an older message is ignored, for it may be a repetition.
    """
    message = await _lock_message(tx, report)
    if message is None or (message.claimed_at is not None and message.claimed_at < tx.now - retention):
        return False
    resent = await _load_resent(tx, message) if may_be_settled(message) else None
    if resent is not None and (report.fault is not None or resent.state not in REPLACEABLE):
        return False
    follow_up = await load_follow_up(tx, message.follow_up_id) if may_be_settled(message) else None
    is_received = await _is_received(tx, message) if report.arrived or report.fault else False
    is_open = follow_up is not None and follow_up.is_open
    changes = decide_report(message, report, follow_up_is_open=is_open, is_received=is_received, now=tx.now)
    if changes.accepted_at is not None:
        if resent is not None:
            await delete_if_open(tx, resent.id)
        await mark_accepted(tx, message.id, report.provider_id, claimed_at=changes.accepted_at, now=tx.now)
        if follow_up is not None:
            await _settle_follow_up(tx, follow_up, message, changes.accepted_at)
    if changes.clears_fault:
        await save_fault(tx, message.id, None)
    item = None if changes.received_at is None else await _receive_interaction(tx, message, changes.received_at)
    if item is not None:
        await intake.ingest_in_transaction(tx, catalogue, [item], anonymous={item.user})
    if changes.fault is not None:
        await save_fault(tx, message.id, changes.fault)
    return item is not None


async def _lock_message(tx: Transaction, report: DeliveryReport) -> DeliveryRecord | None:
    """Lock the message's user and return the message as stored then; None if the report is about another message."""
    message = await load_delivery(tx, report.delivery_id)
    if message is None:
        return None
    await lock_user(tx, message.user_key)
    message = await load_delivery(tx, report.delivery_id)
    return message if message is not None and report.is_about(message) else None


async def _load_resent(tx: Transaction, message: DeliveryRecord) -> DeliveryRecord | None:
    """Load the delivery that counts for a message that failed and was sent again; None: it was not."""
    if message.state is not DeliveryState.FAILED:
        return None
    counting = (await load_deliveries(tx, message.follow_up_id))[message.channel]
    return None if counting.id == message.id else counting


async def _is_received(tx: Transaction, message: DeliveryRecord) -> bool:
    return message.claimed_at is not None and await is_logged(tx, message.user_key, receive_id(message.id))


async def _settle_follow_up(tx: Transaction, follow_up: FollowUp, message: DeliveryRecord, sent_at: datetime) -> None:
    """Record the receipt for eligibility, and end the follow-up if this was its last open message."""
    await save_receipts(tx, {receipt_key(follow_up): sent_at})
    sent = replace(message, state=DeliveryState.SENT, reason=None, claimed_at=sent_at)
    await settle(tx, follow_up, {**await load_deliveries(tx, follow_up.id), message.channel: sent}, tx.now)


async def _receive_interaction(tx: Transaction, message: DeliveryRecord, at: datetime) -> Interaction | None:
    """Return the interaction of receiving the message; None for an erased user, and for a channel without one."""
    stored = (await load_users(tx, [message.user_key])).get(message.user_key)
    if stored is None:
        return None
    return build_receive_interaction(message.id, message.channel, message.campaign, stored.user.id, at)
