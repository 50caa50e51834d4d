"""The transactions after a send: what became of a claimed message, written once (guarantee 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from activities.claims import Claim
from connector.channels.protocol import Accepted
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp, cancel_by_exception
from connector.rules.model.interactions import Interaction
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryState, receive_interaction
from connector.rules.triggering.exceptions import is_cancelled_by
from connector.rules.triggering.trigger_list import is_trigger
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries, release, settle, write_delivery
from connector.store.follow_ups.follow_ups import end_follow_ups, save_receipt
from connector.store.users.log import load_items
from connector.store.users.push_tokens import forget_push_tokens
from connector.store.users.users import lock_user
from connector.templating.templates import template_variables


@dataclass(frozen=True)
class SendResult:
    """What became of a message. `fault` is a code of ours; `provider_id` is the provider's id for the message.

    `reported`: its receipt is told by a delivery report (M4). `invalid_tokens` are the user's push tokens to forget.
    """

    state: DeliveryState
    reason: Reason | None = None
    fault: str | None = None
    provider_id: str | None = None
    reported: bool = False
    invalid_tokens: tuple[str, ...] = ()


def sent_result(accepted: Accepted) -> SendResult:
    """The provider took it."""
    return SendResult(
        DeliveryState.SENT,
        provider_id=accepted.provider_id,
        reported=accepted.reported,
        invalid_tokens=accepted.invalid_tokens,
    )


async def record_result(
    tx: Transaction, claim: Claim, conclusion: SendResult, *, now: datetime, attempt: int
) -> Delivery:
    """Write a message's final state, settle its follow-up, and remember the receipt where there was or may be one.

    Returns the message as it stands then: a delivery report that was quicker has settled it already.
    """
    await lock_user(tx, claim.follow_up.user_key)
    if conclusion.invalid_tokens:
        await forget_push_tokens(tx, claim.follow_up.user_key, conclusion.invalid_tokens)
    if conclusion.reported or conclusion.state is DeliveryState.UNKNOWN:
        known = (await load_deliveries(tx, claim.follow_up.id))[claim.delivery.channel]
        if known.state is DeliveryState.SENT:
            return known
    out = conclusion.state in (DeliveryState.SENT, DeliveryState.UNKNOWN)
    message = await _write(tx, claim, conclusion, now=now, attempt=attempt, claimed=out)
    if out:
        follow_up = claim.follow_up
        await save_receipt(tx, follow_up.campaign, follow_up.user_key, follow_up.key, claim.dispatched_at)
    await settle(tx, claim.follow_up, await _messages(tx, claim, message), now)
    return message


async def release_claim(
    tx: Transaction, claim: Claim, fault: str, catalogue: Catalogue, *, now: datetime, attempt: int
) -> None:
    """Nothing went out: undo the claim, so that an exception that comes before the next attempt counts (X1).

    One that came while the claim was held counts now. A claim that a later attempt gave up as lost stays so.
    """
    await lock_user(tx, claim.follow_up.user_key)
    if (await load_deliveries(tx, claim.follow_up.id))[claim.delivery.channel].state is not DeliveryState.CLAIMED:
        return
    opened = SendResult(DeliveryState.OPEN, fault=fault)
    message = await _write(tx, claim, opened, now=None, attempt=attempt, claimed=False)
    if await release(tx, claim.follow_up, await _messages(tx, claim, message)):
        await _cancel_released(tx, claim.follow_up, catalogue, now)


async def _cancel_released(tx: Transaction, follow_up: FollowUp, catalogue: Catalogue, now: datetime) -> None:
    """End it by the first exception that was taken in meanwhile; one that is a trigger too had to leave it standing."""
    waiting = replace(follow_up, state=State.WAITING, dispatched_at=None)
    entry = catalogue.entries[follow_up.campaign]
    items = (await load_items(tx, {follow_up.user_key: follow_up.trigger.t}))[follow_up.user_key]
    by = next(
        (i for i in items if is_cancelled_by(waiting, i, catalogue) and not is_trigger(i.item, entry, i.t, catalogue)),
        None,
    )
    if by is not None:
        await end_follow_ups(tx, [cancel_by_exception(waiting, by, now)])


def receive_of(claim: Claim) -> Interaction | None:
    """The interaction that handing this message over makes, at the instant of its dispatch (M4)."""
    return receive_interaction(claim.follow_up, claim.delivery.channel, claim.user.id, claim.dispatched_at)


def variables_of(claim: Claim) -> Mapping[str, Any]:
    """What the templates of this message see."""
    return template_variables(claim.follow_up, claim.user, claim.campaign)


async def _write(
    tx: Transaction,
    claim: Claim,
    conclusion: SendResult,
    *,
    now: datetime | None,
    attempt: int,
    claimed: bool,
) -> Delivery:
    message = replace(
        claim.delivery,
        state=conclusion.state,
        reason=conclusion.reason,
        claimed_at=claim.dispatched_at if claimed else None,
    )
    await write_delivery(
        tx,
        claim.follow_up,
        message,
        known=True,
        attempt=attempt,
        decided_at=now,
        fault=conclusion.fault,
        provider_id=conclusion.provider_id,
    )
    return message


async def _messages(tx: Transaction, claim: Claim, message: Delivery) -> Mapping[str, Delivery]:
    """All messages of the follow-up; where it has only this channel, there is nothing to look up."""
    if claim.follow_up.channels == (message.channel,):
        return {message.channel: message}
    return await load_deliveries(tx, claim.follow_up.id)
