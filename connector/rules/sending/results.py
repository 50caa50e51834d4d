"""Results: what a claimed message's result changes, and what releasing its claim changes (guarantee 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.addresses import AddressMeaning
from connector.rules.model.follow_up import FollowUp, cancel_by_exception
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason
from connector.rules.model.users import User, address_of
from connector.rules.sending.decisions import Decided, MessageDecision
from connector.rules.sending.deliveries import (
    OUT,
    Delivery,
    DeliveryState,
    DueMessage,
    build_receive_interaction,
    settle_or_go_on,
    with_rest,
)
from connector.rules.sending.effects import (
    CancelFollowUp,
    ChangeFollowUp,
    Effect,
    ForgetPushTokens,
    IngestInteraction,
    SaveReceipt,
    StateAddress,
    WriteDelivery,
    decide_delivery,
    end_rest,
)
from connector.rules.sending.retries import describe_next_attempt
from connector.rules.triggering.exceptions import is_cancelled_by
from connector.rules.triggering.trigger_list import is_trigger


@dataclass(frozen=True)
class SendResult:
    """The result of sending one message. `fault` is a code of ours; `provider_id` is the provider's id for it.

    `detail` says more of the fault for people, without personal data: where a template failed, and why (W7).
    `is_reported`: a delivery report follows and makes the receipt (M4). `invalid_tokens` are push tokens to forget.
    `meaning`: what a refusal says of the address, as a later report would.
    """

    state: DeliveryState
    reason: Reason | None = None
    fault: str | None = None
    provider_id: str | None = None
    is_reported: bool = False
    invalid_tokens: tuple[str, ...] = ()
    detail: str | None = None
    meaning: AddressMeaning = AddressMeaning.NOTHING

    @property
    def may_be_reported(self) -> bool:
        """Whether a delivery report may have settled the message before its result is recorded."""
        return self.is_reported or self.state is DeliveryState.UNKNOWN


def decide_result(
    due: DueMessage, result: SendResult, user: User, *, dispatched_at: datetime, now: datetime
) -> MessageDecision:
    """Return a message's final state, and what it changes.

    What went out, or may have, is a receipt. A message that a provider accepted is also an interaction, at the instant
    of its dispatch, unless a delivery report will make it (M4). A delivery report or a later attempt may have settled
    the message before; only that the provider accepted it is still news then.

    Args:
        due: the message, with the follow-up and its deliveries as stored; no delivery: the user was erased meanwhile.
        dispatched_at: when the message was claimed, UTC; `now` is when its result is recorded.
    """
    follow_up = due.follow_up
    effects: list[Effect] = []
    if result.invalid_tokens:
        effects.append(ForgetPushTokens(follow_up.user_key, result.invalid_tokens))
    is_out = result.state in OUT
    delivery = due.with_state(result.state, result.reason, dispatched_at if is_out else None)
    stored, address = due.delivery, address_of(user, due.channel)
    if stored is not None and address is not None and result.meaning is not AddressMeaning.NOTHING:
        effects.append(StateAddress(follow_up.user_key, due.channel, address, result.meaning, now))
    if stored is None or is_settled(stored, result):
        return MessageDecision(Decided(stored or delivery), tuple(effects))
    effects += decide_delivery(
        due, delivery, now, fault=result.fault, provider_id=result.provider_id, detail=result.detail
    )
    if is_out:
        effects.append(SaveReceipt(follow_up, dispatched_at))
    if result.state is DeliveryState.SENT and not result.is_reported:
        received = build_receive_interaction(due.delivery_id, due.channel, follow_up.campaign, user.id, dispatched_at)
        effects += [IngestInteraction(received)] if received else []
    return MessageDecision(Decided(delivery), tuple(effects))


def is_settled(stored: Delivery, result: SendResult) -> bool:
    """Return whether a stored delivery stays as it is, because a report or a later attempt settled it."""
    if stored.state is DeliveryState.CLAIMED:
        return False
    if result.state is not DeliveryState.SENT:
        return True
    return result.may_be_reported and stored.state is DeliveryState.SENT


def decide_release(
    due: DueMessage,
    claimed_at: datetime,
    fault: str,
    since: Sequence[LogEntry],
    catalogue: Catalogue,
    now: datetime,
    *,
    next_attempt_at: datetime | None = None,
) -> tuple[Effect, ...]:
    """Return what releasing a claim changes: nothing went out, so exceptions before the next attempt count (X1).

    An exception that was ingested while the claim was held counts now, and ends the channels that are still to come; so
    does an operator's action. A claim that a later attempt recorded as lost stays lost.

    Args:
        claimed_at: when the claim to release was made, UTC; another attempt's claim stays.
        since: the exceptions in the user's log since the trigger, at least, in event order.
        next_attempt_at: when the message is tried again, UTC; None: not known, as of a launch, which goes in passes.
    """
    if due.delivery is None or due.delivery.state is not DeliveryState.CLAIMED or due.delivery.claimed_at != claimed_at:
        return ()
    if any(other.reason is Reason.CANCELLED_BY_OPERATOR for other in due.deliveries.values()):
        dropped = due.with_state(DeliveryState.DROPPED, Reason.CANCELLED_BY_OPERATOR)
        return decide_delivery(due, dropped, now, fault=fault)
    opened = due.with_state(DeliveryState.OPEN)
    deliveries = {**due.deliveries, due.channel: opened}
    waits = with_rest(settle_or_go_on(due.follow_up, deliveries, now), deliveries)
    detail = describe_next_attempt(due.attempt, next_attempt_at) if next_attempt_at is not None else None
    write = WriteDelivery(due.follow_up, opened, due.attempt, fault=fault, detail=detail)
    change = ChangeFollowUp(waits)
    by = _first_exception(waits, since, catalogue)
    if by is None:
        return write, change
    cancelled = cancel_by_exception(waits, by, now)
    return *(end_rest(cancelled, now) or (write,)), change, CancelFollowUp(cancelled)


def _first_exception(follow_up: FollowUp, since: Sequence[LogEntry], catalogue: Catalogue) -> LogEntry | None:
    """Return the first exception of the follow-up; a trigger could not supersede a message that was going out."""
    entry = catalogue.entries[follow_up.campaign]
    exceptions = (logged for logged in since if is_cancelled_by(follow_up, logged, catalogue))
    return next((by for by in exceptions if not is_trigger(by.item, entry, by.t, catalogue)), None)
