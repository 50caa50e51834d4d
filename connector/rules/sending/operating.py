"""Operator actions: what an operator may do to a follow-up, and how one ends if its workflow is closed by hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryState, compute_outcome
from connector.rules.sending.effects import ChangeFollowUp, change


def refusal(follow_up: FollowUp | None) -> str | None:
    """Return why an operator cannot move or end a follow-up; None while no message of it has been claimed.

    What is being sent finishes, even if its other channels are held, as with a stop (P9).
    """
    if follow_up is None:
        return "there is no follow-up with this id"
    if not follow_up.is_open:
        return f"it has ended: {in_words(follow_up.state, follow_up.reason)}"
    if not follow_up.can_be_cancelled:
        return "one of its messages is being sent or was sent; the others follow the rules"
    return None


def is_cancelled(follow_up: FollowUp | None) -> bool:
    """Return whether an operator ended the follow-up; cancelling it again changes nothing."""
    return follow_up is not None and follow_up.reason is Reason.CANCELLED_BY_OPERATOR


def cancel_wait(follow_up: FollowUp, now: datetime) -> ChangeFollowUp:
    """End a follow-up without sending, as of `now` (UTC). Its workflow requested the end, so it needs no signal."""
    return change(follow_up, state=State.DROPPED, reason=Reason.CANCELLED_BY_OPERATOR, decided_at=now)


def move_wait(follow_up: FollowUp, to: datetime) -> ChangeFollowUp:
    """Let a follow-up wait until another instant (UTC), which ends a hold; `due_at` stays what it was."""
    return change(follow_up, state=State.WAITING, next_at=to)


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
