"""The transactions after a send: what became of a claimed message, written once (guarantee 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from activities.claims import Claim
from connector.channels.protocol import HandedOver
from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import Passage, excepted
from connector.rules.model.interactions import Interaction
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryState, receive_interaction
from connector.rules.triggering.exceptions import calls_off
from connector.rules.triggering.trigger_list import triggers
from connector.store.follow_ups.deliveries import load_deliveries, release, settle, write_delivery
from connector.store.follow_ups.follow_ups import end_passages, save_receipt
from connector.store.users.log import load_items
from connector.store.users.push_tokens import forget_push_tokens
from connector.store.users.users import lock_user
from connector.templating.variables import variables


@dataclass(frozen=True)
class Conclusion:
    """What became of a message. `fault` is a code of ours; `provider_id` is the provider's id for the message.

    `reported`: its receipt is told by a delivery report (M4). `dead_tokens` are the user's push tokens to forget.
    """

    state: DeliveryState
    reason: Reason | None = None
    fault: str | None = None
    provider_id: str | None = None
    reported: bool = False
    dead_tokens: tuple[str, ...] = ()


def sent(handed_over: HandedOver) -> Conclusion:
    """The provider took it."""
    return Conclusion(
        DeliveryState.SENT,
        provider_id=handed_over.provider_id,
        reported=handed_over.reported,
        dead_tokens=handed_over.dead_tokens,
    )


async def conclude(
    c: AsyncConnection, workspace: str, claim: Claim, conclusion: Conclusion, *, now: datetime, attempt: int
) -> Delivery:
    """Write a message's final state, settle its follow-up, and remember the receipt where there was or may be one.

    Returns the message as it stands then: a delivery report that was quicker has settled it already.
    """
    await lock_user(c, workspace, claim.passage.user_key)
    if conclusion.dead_tokens:
        await forget_push_tokens(c, workspace, claim.passage.user_key, conclusion.dead_tokens)
    if conclusion.reported or conclusion.state is DeliveryState.UNKNOWN:
        known = (await load_deliveries(c, workspace, claim.passage.id))[claim.delivery.channel]
        if known.state is DeliveryState.SENT:
            return known
    out = conclusion.state in (DeliveryState.SENT, DeliveryState.UNKNOWN)
    message = await _write(c, workspace, claim, conclusion, now=now, attempt=attempt, claimed=out)
    if out:
        passage = claim.passage
        await save_receipt(c, workspace, passage.campaign, passage.user_key, passage.key, claim.dispatched_at)
    await settle(c, workspace, claim.passage, await _messages(c, workspace, claim, message), now)
    return message


async def give_back(
    c: AsyncConnection, workspace: str, claim: Claim, fault: str, catalogue: Catalogue, *, now: datetime, attempt: int
) -> None:
    """Nothing went out: undo the claim, so that an exception that comes before the next attempt counts (X1).

    One that came while the claim was held counts now. A claim that a later attempt gave up as lost stays so.
    """
    await lock_user(c, workspace, claim.passage.user_key)
    if (await load_deliveries(c, workspace, claim.passage.id))[
        claim.delivery.channel
    ].state is not DeliveryState.CLAIMED:
        return
    opened = Conclusion(DeliveryState.OPEN, fault=fault)
    message = await _write(c, workspace, claim, opened, now=None, attempt=attempt, claimed=False)
    if await release(c, workspace, claim.passage, await _messages(c, workspace, claim, message)):
        await _call_off(c, workspace, claim.passage, catalogue, now)


async def _call_off(c: AsyncConnection, workspace: str, passage: Passage, catalogue: Catalogue, now: datetime) -> None:
    """End it by the first exception that was taken in meanwhile; one that is a trigger too had to leave it standing."""
    waiting = replace(passage, state=State.WAITING, dispatched_at=None)
    entry = catalogue.entries[passage.campaign]
    items = (await load_items(c, workspace, {passage.user_key: passage.trigger.t}))[passage.user_key]
    by = next(
        (i for i in items if calls_off(waiting, i, catalogue) and not triggers(i.item, entry, i.t, catalogue)), None
    )
    if by is not None:
        await end_passages(c, workspace, [excepted(waiting, by, now)])


def receive_of(claim: Claim) -> Interaction | None:
    """The interaction that handing this message over makes, at the instant of its dispatch (M4)."""
    return receive_interaction(claim.passage, claim.delivery.channel, claim.user.id, claim.dispatched_at)


def variables_of(claim: Claim) -> Mapping[str, Any]:
    """What the templates of this message see."""
    return variables(claim.passage, claim.user, claim.campaign)


async def _write(
    c: AsyncConnection,
    workspace: str,
    claim: Claim,
    conclusion: Conclusion,
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
        c,
        workspace,
        claim.passage,
        message,
        known=True,
        attempt=attempt,
        decided_at=now,
        fault=conclusion.fault,
        provider_id=conclusion.provider_id,
    )
    return message


async def _messages(c: AsyncConnection, workspace: str, claim: Claim, message: Delivery) -> Mapping[str, Delivery]:
    """All messages of the follow-up; where it has only this channel, there is nothing to look up."""
    if claim.passage.channels == (message.channel,):
        return {message.channel: message}
    return await load_deliveries(c, workspace, claim.passage.id)
