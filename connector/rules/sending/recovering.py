"""How a follow-up ends that the store still has open although its workflow completed: the store was restored.

A restored database is older than Temporal. The workflow's result says how the follow-up ended, and what was sent may
not go out again (guarantee 4); what it was ended by, and when exactly, was lost with the database.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import OPEN_STATES, Reason, State
from connector.rules.sending.deliveries import Delivery, DeliveryState, DueMessage
from connector.rules.sending.effects import WriteDelivery

_RESTORED = "restored from Temporal"
_RECEIVED = (DeliveryState.SENT, DeliveryState.UNKNOWN)


@dataclass(frozen=True)
class CompletedWorkflow:
    """A workflow's result. `channels` are those that were sent; none: not known. `closed_at` is UTC."""

    state: State
    reason: Reason | None
    channels: tuple[str, ...]
    closed_at: datetime


@dataclass(frozen=True)
class Recovery:
    """How a follow-up ended. `received_at` is when its message counts as received, UTC; None: it does not."""

    follow_up: FollowUp
    deliveries: tuple[WriteDelivery, ...] = ()
    received_at: datetime | None = None


def end_as_completed(
    follow_up: FollowUp, deliveries: Mapping[str, Delivery], completed: CompletedWorkflow, now: datetime
) -> Recovery:
    """Return how an open follow-up ends whose workflow completed.

    A workflow of an earlier version gives its state alone: what it sent, it sent on all channels, and a failure may
    have gone out.

    Args:
        deliveries: the stored ones, by channel.
        now: UTC.
    """
    state, reason = completed.state, completed.reason
    if state in OPEN_STATES or (state is State.DROPPED and reason is None):
        state, reason = State.DROPPED, Reason.CANCELLED_BY_OPERATOR
    if state is State.FAILED:
        reason = reason or Reason.SEND_UNKNOWN
    ended = replace(follow_up, state=state, reason=reason, decided_at=now)
    if state is State.CONTROL:
        return Recovery(replace(ended, reason=Reason.CONTROL_GROUP), received_at=completed.closed_at)
    written = tuple(_deliveries(ended, deliveries, completed, now))
    is_received = any(one.delivery.state in _RECEIVED for one in written) or state is State.SENT
    if not is_received:
        return Recovery(ended, written)
    return Recovery(replace(ended, dispatched_at=completed.closed_at), written, completed.closed_at)


def _deliveries(
    ended: FollowUp, stored: Mapping[str, Delivery], completed: CompletedWorkflow, now: datetime
) -> Collection[WriteDelivery]:
    """Return the messages as they went out, or may have; those that are known to have ended stay as they are."""
    if ended.state is State.SENT:
        channels, state, reason = completed.channels or ended.channels, DeliveryState.SENT, None
    elif ended.state is State.FAILED:
        is_unknown = ended.reason is Reason.SEND_UNKNOWN
        state = DeliveryState.UNKNOWN if is_unknown else DeliveryState.FAILED
        channels, reason = ended.channels, ended.reason
    else:
        return ()
    undecided = (None, DeliveryState.OPEN, DeliveryState.CLAIMED)
    return [
        WriteDelivery(
            ended,
            DueMessage(ended, channel, stored).with_state(state, reason, completed.closed_at),
            decided_at=now,
            detail=_RESTORED,
        )
        for channel in channels
        if (stored[channel].state if channel in stored else None) in undecided
    ]
