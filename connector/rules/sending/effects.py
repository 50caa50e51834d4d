"""Effects: what a decision about a message changes. The store and `simulate` apply the same closed set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connector.rules.model.addresses import AddressMeaning
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Interaction
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.sending.deliveries import (
    Delivery,
    DeliveryState,
    DueMessage,
    ended_rest,
    enrolment,
    settle_follow_up,
    settle_or_go_on,
)
from connector.rules.sending.due_list import Control, Drop, Hold, MessageVerdict, Pause, SendContent, SwitchChannels
from connector.rules.targeting.assignment import Assignment


@dataclass(frozen=True)
class KeepAssignment:
    """Keep a user's first assignment in a campaign (T4)."""

    campaign: str
    user_key: str
    assignment: Assignment


@dataclass(frozen=True)
class BeginFollowUp:
    """Add a follow-up of a launch at an instant (UTC); a control user's has ended already."""

    follow_up: FollowUp
    at: datetime


@dataclass(frozen=True)
class ChangeFollowUp:
    """Give a stored follow-up the state, times and channels that `follow_up` has."""

    follow_up: FollowUp


@dataclass(frozen=True)
class CancelFollowUp:
    """End a follow-up by an exception. The outbox signals the end to its workflow."""

    follow_up: FollowUp


@dataclass(frozen=True)
class WriteDelivery:
    """Insert a delivery, or give the stored one its new state.

    `attempt` is the attempt that decided it. `decided_at` is UTC; None while the delivery is undecided. `fault` is a
    code of ours, `detail` says more of it for people, and `provider_id` is the provider's id for the message.
    """

    follow_up: FollowUp
    delivery: Delivery
    attempt: int = 1
    decided_at: datetime | None = None
    fault: str | None = None
    provider_id: str | None = None
    detail: str | None = None


@dataclass(frozen=True)
class SaveReceipt:
    """Remember when the follow-up's user received its campaign under its key, UTC (T1)."""

    follow_up: FollowUp
    at: datetime


@dataclass(frozen=True)
class ForgetPushTokens:
    """Remove push tokens that the provider no longer accepts from a user."""

    user_key: str
    tokens: tuple[str, ...]


@dataclass(frozen=True)
class StateAddress:
    """Apply the meaning of a provider's answer to the address of a message. `at` is UTC."""

    user_key: str
    channel: str
    address: str
    meaning: AddressMeaning
    at: datetime


@dataclass(frozen=True)
class IngestInteraction:
    """Ingest an interaction that a decision makes, in the same transaction, so that chains just work."""

    interaction: Interaction


Effect = (
    KeepAssignment
    | BeginFollowUp
    | ChangeFollowUp
    | CancelFollowUp
    | WriteDelivery
    | SaveReceipt
    | ForgetPushTokens
    | StateAddress
    | IngestInteraction
)


def decide_effects(verdict: MessageVerdict, due: DueMessage, user: User, now: datetime) -> tuple[Effect, ...]:
    """Return what a verdict on a message changes, as of `now` (UTC)."""
    follow_up = due.follow_up
    match verdict:
        case Pause():
            return ()
        case Hold(until):
            held = settle_or_go_on(replace(follow_up, next_at=until), due.deliveries, now)
            return (change(held, state=State.HELD if held.state is State.WAITING else held.state),)
        case SwitchChannels(channels):
            return (_switch_channels(due, channels, now),)
        case Drop(reason):
            return decide_delivery(due, due.with_state(DeliveryState.DROPPED, reason), now)
        case Control():
            ended = change(follow_up, state=State.CONTROL, reason=Reason.CONTROL_GROUP, decided_at=now)
            return ended, *enrol(follow_up, user, now)
        case SendContent():
            claimed = due.with_state(DeliveryState.CLAIMED, claimed_at=now)
            going_on = settle_or_go_on(follow_up, {**due.deliveries, due.channel: claimed}, now)
            return WriteDelivery(follow_up, claimed, due.attempt), ChangeFollowUp(going_on)


def decide_delivery(
    due: DueMessage,
    delivery: Delivery,
    now: datetime,
    *,
    fault: str | None = None,
    provider_id: str | None = None,
    detail: str | None = None,
) -> tuple[Effect, ...]:
    """Return the effects of a delivery's final state, the follow-up's end included if it was the last undecided one."""
    write = WriteDelivery(due.follow_up, delivery, due.attempt, now, fault, provider_id, detail)
    changed = settle_or_go_on(due.follow_up, {**due.deliveries, due.channel: delivery}, now)
    return (write,) if changed == due.follow_up else (write, ChangeFollowUp(changed))


def enrol(follow_up: FollowUp, user: User, now: datetime) -> tuple[Effect, ...]:
    """Return the effects of enrolling a control user: a receipt and one interaction (W3)."""
    return SaveReceipt(follow_up, now), IngestInteraction(enrolment(follow_up, user.id, now))


def end_rest(follow_up: FollowUp, now: datetime) -> tuple[WriteDelivery, ...]:
    """Return the effects on the messages of a follow-up that was partly sent when it was ended (X1)."""
    return tuple(WriteDelivery(follow_up, delivery, decided_at=now) for delivery in ended_rest(follow_up))


def change(follow_up: FollowUp, **values: Any) -> ChangeFollowUp:
    """Return the effect that gives a follow-up these values."""
    return ChangeFollowUp(replace(follow_up, **values))


def _switch_channels(due: DueMessage, channels: tuple[str, ...], now: datetime) -> Effect:
    """Send on other channels; that ends the follow-up if they have all been decided before."""
    switched = replace(due.follow_up, channels=channels)
    ended = settle_follow_up(switched, due.deliveries, now)
    return ChangeFollowUp(ended or switched)
