"""Operator actions: what an operator may do to follow-ups, and how one ends if its workflow is closed by hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from connector.rules.model.follow_up import FollowUp, drop
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryRecord, DeliveryState, compute_outcome
from connector.rules.sending.effects import ChangeFollowUp, change
from connector.rules.sending.launching import is_launched


def refusal(follow_up: FollowUp | None) -> str | None:
    """Return why an operator cannot move or end a follow-up; None while one of its messages is still to come.

    A message that is being sent finishes; the other channels end or move, as with a stop (X1, P9).
    """
    if follow_up is None:
        return "there is no follow-up with this id"
    if not follow_up.is_open:
        return f"it has ended: {in_words(follow_up.state, follow_up.reason)}"
    if not follow_up.can_be_ended:
        return "its message is being sent or was sent; none is still to come"
    return None


def is_cancelled(follow_up: FollowUp | None, deliveries: Collection[Delivery]) -> bool:
    """Return whether an operator ended the follow-up, or the rest of it; cancelling it again changes nothing."""
    reasons = [] if follow_up is None else [follow_up.reason, *(delivery.reason for delivery in deliveries)]
    return Reason.CANCELLED_BY_OPERATOR in reasons


def cancel_wait(follow_up: FollowUp, now: datetime) -> FollowUp:
    """Return the follow-up as ended without sending its remaining messages, as of `now` (UTC)."""
    return drop(follow_up, Reason.CANCELLED_BY_OPERATOR, now, now)


def move_wait(follow_up: FollowUp, to: datetime) -> ChangeFollowUp:
    """Let a follow-up wait until another instant (UTC), which ends a hold; `due_at` stays what it was."""
    is_sending = follow_up.state is State.SENDING
    return change(follow_up, state=State.SENDING if is_sending else State.WAITING, next_at=to)


BulkVerb = Literal["send_now", "postpone", "cancel"]
"""The actions that an operator can take on many follow-ups at once."""


def decide_bulk_action(
    verb: BulkVerb,
    follow_up: FollowUp,
    deliveries: Collection[DeliveryRecord],
    now: datetime,
    *,
    to: datetime | timedelta | None = None,
) -> FollowUp | str | None:
    """Return a follow-up as an action on many changes it; or why it refuses the action; None: nothing is to be done.

    Each action can be repeated: what has been done already is left as it is.

    Args:
        follow_up: with its channels that are still to come (`with_rest`).
        deliveries: its own, the newest of each channel.
        now: UTC.
        to: for `postpone`: the new time, or how long after its original due time it waits at least. Counted from a time
            that does not move, so that a repetition postpones nothing twice.
    """
    refused = refusal(follow_up)
    if refused is not None:
        return refused
    if is_launched(follow_up):
        return f"the launch of {follow_up.campaign} sends it: stop the campaign to pause that, archive it to end it"
    if verb == "cancel":
        return cancel_wait(follow_up, now)
    if follow_up.state is State.SENDING or any(one.state is DeliveryState.OPEN and one.fault for one in deliveries):
        return "it no longer waits: a message of it is being sent or tried again"
    if verb == "send_now":
        return None if follow_up.next_at <= now else move_wait(follow_up, now).follow_up
    if isinstance(to, datetime):
        return None if follow_up.next_at == to else move_wait(follow_up, to).follow_up
    later = follow_up.due_at + (to or timedelta())
    if max(later, follow_up.next_at) <= now:
        return "so long after its original due time has passed too, and it is due: postpone it until a time to come"
    return None if later <= follow_up.next_at else move_wait(follow_up, later).follow_up


def in_words(state: str, reason: str | None) -> str:
    """Return a state with its reason: `dropped (stopped)`, or just `sent`."""
    return state if reason is None else f"{state} ({reason})"


def cut_short(follow_up: FollowUp, deliveries: Collection[Delivery], now: datetime) -> FollowUp:
    """Return how a follow-up ends whose workflow was closed by hand: by what went out, else as cancelled.

    A claimed message without a result may have gone out, so it is not resent (guarantee 4).
    """
    final = compute_outcome([lost(delivery) for delivery in deliveries])
    if final is None or final[0] is State.DROPPED:
        final = State.DROPPED, Reason.CANCELLED_BY_OPERATOR
    return replace(follow_up, state=final[0], reason=final[1], decided_at=now)


def lost(delivery: Delivery) -> Delivery:
    """Return the delivery; a claim whose result will never be recorded becomes `send_unknown`."""
    if delivery.state is not DeliveryState.CLAIMED:
        return delivery
    return replace(delivery, state=DeliveryState.UNKNOWN, reason=Reason.SEND_UNKNOWN)
