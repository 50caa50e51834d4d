"""Results: what a claimed message's result changes, and what releasing its claim changes (guarantee 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.model.follow_up import FollowUp, cancel_by_exception
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.sending.decisions import Decided, MessageDecision
from connector.rules.sending.deliveries import OUT, DeliveryState, DueMessage, build_receive_interaction
from connector.rules.sending.effects import (
    CancelFollowUp,
    Effect,
    ForgetPushTokens,
    IngestInteraction,
    SaveReceipt,
    WriteDelivery,
    change,
    decide_delivery,
)
from connector.rules.triggering.exceptions import is_cancelled_by
from connector.rules.triggering.trigger_list import is_trigger


@dataclass(frozen=True)
class SendResult:
    """The result of sending one message. `fault` is a code of ours; `provider_id` is the provider's id for it.

    `is_reported`: a delivery report follows and makes the receipt (M4). `invalid_tokens` are push tokens to forget.
    """

    state: DeliveryState
    reason: Reason | None = None
    fault: str | None = None
    provider_id: str | None = None
    is_reported: bool = False
    invalid_tokens: tuple[str, ...] = ()

    @property
    def may_be_reported(self) -> bool:
        """Whether a delivery report may have settled the message before its result is recorded."""
        return self.is_reported or self.state is DeliveryState.UNKNOWN


def decide_result(
    due: DueMessage, result: SendResult, user: User, *, dispatched_at: datetime, now: datetime
) -> MessageDecision:
    """Return a message's final state, and what it changes; a delivery report that was quicker has settled it.

    What went out, or may have, is a receipt. A message that a provider accepted is also an interaction, at the instant
    of its dispatch, unless a delivery report will make it (M4).

    Args:
        due: the message, with the follow-up's deliveries as stored.
        dispatched_at: when the message was claimed, UTC; `now` is when its result is recorded.
    """
    follow_up = due.follow_up
    effects: list[Effect] = []
    if result.invalid_tokens:
        effects.append(ForgetPushTokens(follow_up.user_key, result.invalid_tokens))
    reported = due.delivery
    if result.may_be_reported and reported is not None and reported.state is DeliveryState.SENT:
        return MessageDecision(Decided(reported), tuple(effects))
    is_out = result.state in OUT
    delivery = due.with_state(result.state, result.reason, dispatched_at if is_out else None)
    effects += decide_delivery(due, delivery, now, fault=result.fault, provider_id=result.provider_id)
    if is_out:
        effects.append(SaveReceipt(follow_up, dispatched_at))
    if result.state is DeliveryState.SENT and not result.is_reported:
        received = build_receive_interaction(follow_up, due.channel, user.id, dispatched_at)
        effects += [IngestInteraction(received)] if received else []
    return MessageDecision(Decided(delivery), tuple(effects))


def decide_release(
    due: DueMessage, fault: str, since: Sequence[LogEntry], catalogue: Catalogue, now: datetime
) -> tuple[Effect, ...]:
    """Return what releasing a claim changes: nothing went out, so exceptions before the next attempt count (X1).

    One that was ingested while the claim was held counts now. A claim that a later attempt recorded as lost stays so.

    Args:
        since: the user's log since the trigger, in event order; may be empty if `due.is_another_out`.
    """
    if due.delivery is None or due.delivery.state is not DeliveryState.CLAIMED:
        return ()
    opened = WriteDelivery(due.follow_up, due.with_state(DeliveryState.OPEN), is_new=False, fault=fault)
    if due.is_another_out:
        return (opened,)
    waits = change(due.follow_up, state=State.WAITING, dispatched_at=None)
    by = _first_exception(waits.follow_up, since, catalogue)
    return (
        (opened, waits)
        if by is None
        else (opened, waits, CancelFollowUp(cancel_by_exception(waits.follow_up, by, now)))
    )


def _first_exception(follow_up: FollowUp, since: Sequence[LogEntry], catalogue: Catalogue) -> LogEntry | None:
    """Return the first exception of the follow-up; a trigger could not supersede a message that was going out."""
    entry = catalogue.entries[follow_up.campaign]
    exceptions = (logged for logged in since if is_cancelled_by(follow_up, logged, catalogue))
    return next((by for by in exceptions if not is_trigger(by.item, entry, by.t, catalogue)), None)
