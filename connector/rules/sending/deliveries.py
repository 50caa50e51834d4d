"""Deliveries: one message of a follow-up on one channel, its states, and how deliveries settle their follow-up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from connector.rules.model.follow_up import FollowUp, Rest
from connector.rules.model.interactions import RECEIVE_TYPES, Interaction, InteractionType
from connector.rules.model.reasons import Reason, State


class DeliveryState(StrEnum):
    """The state of a delivery. `open` and `claimed` are undecided; the others are final."""

    OPEN = "open"
    CLAIMED = "claimed"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"
    UNKNOWN = "unknown"


OUT = (DeliveryState.CLAIMED, DeliveryState.SENT, DeliveryState.UNKNOWN)
"""The states that frequency caps count: went out, may have gone out, or is being sent (W2, guarantee 4)."""

_ATTEMPTED = (*OUT, DeliveryState.FAILED)
"""The states of a message that was handed to its provider: an end of the other channels does not change them (X1)."""

REPLACEABLE = (DeliveryState.OPEN, DeliveryState.FAILED)
"""The states in which a message that was sent again counts no longer, once an earlier one turns out to be sent."""

_UNDECIDED = (DeliveryState.OPEN, DeliveryState.CLAIMED)
_D = TypeVar("_D", bound="Delivery")
_OF_ONE_CHANNEL = {Reason.UNREACHABLE: 1, Reason.NO_CONSENT: 2}


@dataclass(frozen=True)
class Delivery:
    """One message on one channel. `id` is the provider's idempotency key; `claimed_at` is its dispatch, UTC."""

    id: str
    channel: str
    state: DeliveryState
    reason: Reason | None = None
    claimed_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class DeliveryRecord(Delivery):
    """A delivery as the store keeps it. `user` is the id that services use; '' if it was erased, or not loaded.

    `decided_at` is UTC. `fault` is a code of ours, of which `detail` says more for people, and `provider_id` is the
    provider's id for the message.
    """

    follow_up_id: str
    campaign: str
    user_key: str
    user: str = ""
    decided_at: datetime | None = None
    fault: str | None = None
    detail: str | None = None
    provider_id: str | None = None


@dataclass(frozen=True)
class DueMessage:
    """One channel of a follow-up whose message is due. `deliveries` are all of the follow-up's, by channel.

    `attempt` counts the attempts at the message, from 1.
    """

    follow_up: FollowUp
    channel: str
    deliveries: Mapping[str, Delivery]
    attempt: int = 1

    @property
    def delivery(self) -> Delivery | None:
        """The channel's own delivery; None before the first attempt at it."""
        return self.deliveries.get(self.channel)

    @property
    def delivery_id(self) -> str:
        """The id of the channel's delivery, which is the provider's idempotency key."""
        return delivery_id(self.follow_up.id, self.channel) if self.delivery is None else self.delivery.id

    def with_state(
        self, state: DeliveryState, reason: Reason | None = None, claimed_at: datetime | None = None
    ) -> Delivery:
        """Return the channel's delivery in another state."""
        return Delivery(self.delivery_id, self.channel, state, reason, claimed_at)


def delivery_id(follow_up_id: str, channel: str, resends: int = 0) -> str:
    """Return the id of a delivery, the same on every attempt.

    Args:
        resends: the number of the resend, counted from 1; 0: the channel's first delivery. A message that is sent
            again is another delivery, so that its provider does not take it for a repetition (guarantee 4).
    """
    return f"{follow_up_id}.{channel}.{resends + 1}" if resends else f"{follow_up_id}.{channel}"


def resend_number(id: str) -> int:
    """Return the number of the resend that made a delivery, by its id; 0: it is its channel's first."""
    last = id.rpartition(".")[2]
    return int(last) - 1 if last.isdigit() else 0


def newest_by_channel(deliveries: Iterable[_D]) -> dict[str, _D]:
    """Return the delivery of each channel that counts: the only one that has not failed, else the newest."""

    def rank(one: _D) -> tuple[bool, int]:
        return one.state is not DeliveryState.FAILED, resend_number(one.id)

    return {delivery.channel: delivery for delivery in sorted(deliveries, key=rank)}


def earlier_receipt(receipt: datetime | None, deliveries: Collection[Delivery]) -> datetime | None:
    """Return the last receipt, unless another channel of the same follow-up made it (T1, checked again when due)."""
    own = any(delivery.state in (DeliveryState.SENT, DeliveryState.UNKNOWN) for delivery in deliveries)
    return None if own else receipt


def settle_follow_up(follow_up: FollowUp, deliveries: Mapping[str, Delivery], now: datetime) -> FollowUp | None:
    """Return the follow-up as its deliveries end it; None while one of its channels is undecided.

    What went out on a channel that newer content no longer has counts too.
    """
    final = compute_outcome(deliveries.values())
    if final is None or any(c not in deliveries or deliveries[c].state in _UNDECIDED for c in follow_up.channels):
        return None
    return replace(follow_up, state=final[0], reason=final[1], decided_at=now)


def settle_or_go_on(follow_up: FollowUp, deliveries: Mapping[str, Delivery], now: datetime) -> FollowUp:
    """Return the follow-up as its deliveries end it, or as it goes on with the channels that are undecided.

    It is being sent while a message is claimed. Otherwise it is held if a channel without an attempt is, or waits.
    """
    if (ended := settle_follow_up(follow_up, deliveries, now)) is not None:
        return ended
    states = {delivery.state for delivery in deliveries.values()}
    claims = [one.claimed_at for one in deliveries.values() if one.state in OUT and one.claimed_at is not None]
    dispatched_at = max(claims, default=follow_up.dispatched_at if DeliveryState.FAILED in states else None)
    if DeliveryState.CLAIMED in states:
        state = State.SENDING
    else:
        is_held = follow_up.next_at > now and any(channel not in deliveries for channel in follow_up.channels)
        state = State.HELD if is_held else State.WAITING
    return replace(follow_up, state=state, dispatched_at=dispatched_at)


def settle_again(follow_up: FollowUp, deliveries: Mapping[str, Delivery], now: datetime) -> FollowUp:
    """Return the follow-up after the result of a message became known: one that has ended gets the end that follows."""
    if follow_up.is_open:
        return settle_or_go_on(follow_up, deliveries, now)
    final = compute_outcome(deliveries.values())
    return follow_up if final is None else replace(follow_up, state=final[0], reason=final[1], decided_at=now)


def with_rest(follow_up: FollowUp, deliveries: Mapping[str, Delivery]) -> FollowUp:
    """Return the follow-up with the channels that are still to come after another one was claimed (X1)."""
    if not follow_up.is_open or follow_up.dispatched_at is None:
        return follow_up if follow_up.rest is None else replace(follow_up, rest=None)
    channels = tuple(c for c in follow_up.channels if c not in deliveries or deliveries[c].state is DeliveryState.OPEN)
    attempted = [delivery for delivery in deliveries.values() if delivery.state in _ATTEMPTED]
    is_known = all(delivery.state is not DeliveryState.CLAIMED for delivery in attempted)
    ids = tuple(deliveries[c].id if c in deliveries else delivery_id(follow_up.id, c) for c in channels)
    rest = Rest(channels, ids, compute_outcome(attempted) if is_known else None)
    return replace(follow_up, rest=rest if channels else None)


def ended_rest(follow_up: FollowUp) -> list[Delivery]:
    """Return the deliveries of the channels that were still to come, and that the follow-up's end has dropped (X1)."""
    rest = follow_up.rest
    if rest is None or rest.ended_by is None:
        return []
    return [
        Delivery(id, channel, DeliveryState.DROPPED, rest.ended_by)
        for channel, id in zip(rest.channels, rest.deliveries, strict=True)
    ]


def compute_outcome(deliveries: Collection[Delivery]) -> tuple[State, Reason | None] | None:
    """Return a follow-up's final state and reason: sent if at least one delivery was, else failed, else ended."""
    if not deliveries:
        return None
    states = {delivery.state for delivery in deliveries}
    if DeliveryState.SENT in states:
        return State.SENT, None
    if DeliveryState.UNKNOWN in states:
        return State.FAILED, Reason.SEND_UNKNOWN
    if DeliveryState.FAILED in states:
        return State.FAILED, Reason.SEND_FAILED
    if any(delivery.reason is Reason.EXCEPTION for delivery in deliveries):
        return State.EXCEPTED, Reason.EXCEPTION
    return State.DROPPED, main_reason(delivery.reason for delivery in deliveries if delivery.reason is not None)


def main_reason(reasons: Iterable[Reason]) -> Reason | None:
    """Return the most general of several reasons; None if there is none.

    A reason that concerns all channels comes before `no_consent` and `unreachable`, which concern one only.
    """
    return min(reasons, key=lambda reason: (_OF_ONE_CHANNEL.get(reason, 0), reason), default=None)


def worst_reason(reasons: Iterable[str | None]) -> str | None:
    """Return the reason of an end that has these for its channels, as `compute_outcome` decides it.

    Args:
        reasons: of messages that ended in the same state. An unknown one is from a later version.
    """
    given = {reason for reason in reasons if reason is not None}
    if Reason.SEND_UNKNOWN in given:
        return Reason.SEND_UNKNOWN.value
    known = main_reason(reason for reason in Reason if reason in given)
    return known.value if known else min(given, default=None)


def build_receive_interaction(name: str, channel: str, campaign: str, user: str, at: datetime) -> Interaction | None:
    """Return the `receive_*` interaction of a delivery (M4); None for cards.

    Args:
        name: the delivery's id.
        user: the user's id.
        at: when the message was dispatched, or reported as delivered, UTC.
    """
    kind = RECEIVE_TYPES.get(channel)
    if kind is None:
        return None
    return Interaction(id=receive_id(name), user=user, type=kind, campaign=campaign, occurred_at=at)


def receive_id(delivery: str) -> str:
    """Return the id of a delivery's `receive_*` interaction, the same however often it is reported."""
    return f"receive-{delivery}"


def enrolment(follow_up: FollowUp, user: str, at: datetime) -> Interaction:
    """Return a control user's one interaction, at the moment at which the message would have been sent (W3)."""
    return Interaction(
        id=f"enroll-{follow_up.id}",
        user=user,
        type=InteractionType.ENROLL_IN_CONTROL_GROUP,
        campaign=follow_up.campaign,
        occurred_at=at,
    )
