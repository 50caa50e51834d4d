"""What operators may do to one follow-up, and how one ends whose workflow was closed by hand."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryState, outcome_of


def refusal(follow_up: FollowUp | None) -> str | None:
    """Why an operator cannot move or end this follow-up; None where nothing of it has gone out yet.

    What is going out finishes, also where its other channels are held, as with a stop (P9).
    """
    if follow_up is None:
        return "the store knows no such follow-up"
    if not follow_up.is_open:
        return f"it has ended: {in_words(follow_up.state, follow_up.reason)}"
    if not follow_up.can_be_cancelled:
        return "a message of it is going out or has gone out; what is left of it follows the rules"
    return None


def is_cancelled(follow_up: FollowUp | None) -> bool:
    """Whether an operator ended it: cancelling it once more changes nothing."""
    return follow_up is not None and follow_up.reason is Reason.CANCELLED_BY_OPERATOR


def in_words(state: str, reason: str | None) -> str:
    """A state with its reason: `dropped (stopped)`, or just `sent`."""
    return state if reason is None else f"{state} ({reason})"


def cut_short(follow_up: FollowUp, messages: Collection[Delivery], now: datetime) -> FollowUp:
    """A follow-up whose workflow was closed by hand, as it ends: by what went out, else as the operator's doing.

    A claim without an outcome may have gone out: nobody knows, and it is not sent again (guarantee 4).
    """
    final = outcome_of([lost(message) for message in messages])
    if final is None or final[0] is State.DROPPED:
        final = State.DROPPED, Reason.CANCELLED_BY_OPERATOR
    return replace(follow_up, state=final[0], reason=final[1], decided_at=now)


def lost(message: Delivery) -> Delivery:
    """The message, with a claim that nobody will answer any more as `send_unknown`."""
    if message.state is not DeliveryState.CLAIMED:
        return message
    return replace(message, state=DeliveryState.UNKNOWN, reason=Reason.SEND_UNKNOWN)
