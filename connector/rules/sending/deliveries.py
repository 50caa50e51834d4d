"""The messages of a follow-up: what is to become of each at its due time, and how they settle the follow-up."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.campaigns import Campaign
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import RECEIVE_TYPES, Interaction, InteractionType
from connector.rules.model.messages import Messages
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.due_list import Control, Drop, DueFacts, Hold, Pause, Send, evaluate_due_list
from connector.rules.targeting.assignment import Assignment, assign, content_for


class DeliveryState(StrEnum):
    """Where one message stands. Open and claimed ones are undecided; the others are final."""

    OPEN = "open"
    CLAIMED = "claimed"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"
    UNKNOWN = "unknown"


OUT = (DeliveryState.CLAIMED, DeliveryState.SENT, DeliveryState.UNKNOWN)
"""What counts for frequency caps: what went out, what may have, and what is about to (W2, guarantee 4)."""


@dataclass(frozen=True)
class Delivery:
    """One message on one channel. `id` is the provider's idempotency key; `claimed_at` is its dispatch, UTC."""

    id: str
    channel: str
    state: DeliveryState
    reason: Reason | None = None
    claimed_at: datetime | None = None


@dataclass(frozen=True)
class SwitchChannels:
    """The newest live content (P10) no longer has this channel; it has these instead."""

    channels: tuple[str, ...]


@dataclass(frozen=True)
class SendContent:
    """Send this content now."""

    content: Messages


def delivery_id(follow_up_id: str, channel: str) -> str:
    """The id of a message, the same on every attempt."""
    return f"{follow_up_id}.{channel}"


def evaluate_message(facts: DueFacts) -> SwitchChannels | Hold | Drop | Pause | Control | SendContent:
    """What is to become of one message of a follow-up, as of `facts.now`: the whole due-time list, by today's content.

    Content without any channel reaches nobody.
    """
    content = content_for(facts.campaign, facts.assignment, facts.user.id)
    channels = content.channels if content else ()
    if not facts.assignment.control and facts.channel not in channels:
        return SwitchChannels(channels) if channels else Drop(Reason.UNREACHABLE)
    verdict = evaluate_due_list(facts)
    if isinstance(verdict, Send):
        assert content is not None  # noqa: S101 - a control user without content never comes so far
        return SendContent(content)
    return verdict


def has_assignments(entry: Entry) -> bool:
    """Whether users of this campaign are assigned at all: some published revision has a control group or variants."""
    campaigns = (revision.definition for revision in entry.published)
    return any(isinstance(c, Campaign) and (c.control_group > 0 or bool(c.variants)) for c in campaigns)


def draw_assignment(campaign: Campaign, user: str, *, received: bool) -> Assignment:
    """The assignment to keep for a user who has none yet (T4).

    Whoever received before there was a control group stays out of it.

    Args:
        user: the user's id.
        received: whether the user ever received this campaign, under whatever key.
    """
    first = assign(campaign, user)
    if received and first.control:
        return assign(campaign.model_copy(update={"control_group": 0}), user)
    return first


def earlier_receipt(receipt: datetime | None, messages: Collection[Delivery]) -> datetime | None:
    """The last receipt, unless it is this follow-up's own on another channel (T1, looked at again)."""
    own = any(message.state in (DeliveryState.SENT, DeliveryState.UNKNOWN) for message in messages)
    return None if own else receipt


def settle_follow_up(follow_up: FollowUp, messages: Mapping[str, Delivery], now: datetime) -> FollowUp | None:
    """The follow-up as it ends once all of its channels are decided, None until then.

    What went out on a channel that newer content no longer has counts too.
    """
    final = outcome_of(messages.values())
    undecided = (DeliveryState.OPEN, DeliveryState.CLAIMED)
    if final is None or any(c not in messages or messages[c].state in undecided for c in follow_up.channels):
        return None
    return replace(follow_up, state=final[0], reason=final[1], decided_at=now)


def outcome_of(messages: Collection[Delivery]) -> tuple[State, Reason | None] | None:
    """What a follow-up came to by its messages: sent where at least one went out; else failed; else dropped.

    A reason that concerns one channel only (`no_consent`, `unreachable`) gives way to one that concerns them all.
    """
    if not messages:
        return None
    states = {message.state for message in messages}
    if DeliveryState.SENT in states:
        return State.SENT, None
    if DeliveryState.UNKNOWN in states:
        return State.FAILED, Reason.SEND_UNKNOWN
    if DeliveryState.FAILED in states:
        return State.FAILED, Reason.SEND_FAILED
    return State.DROPPED, main_reason(message.reason for message in messages if message.reason is not None)


def main_reason(reasons: Iterable[Reason]) -> Reason | None:
    """The reason that stands for several: one that concerns one channel only gives way; None where there is none."""
    return min(reasons, key=lambda reason: (_OF_ONE_CHANNEL.get(reason, 0), reason), default=None)


def receive_interaction(follow_up: FollowUp, channel: str, user: str, at: datetime) -> Interaction | None:
    """The interaction that handing a message over makes, at the instant of its dispatch (M4); cards make none.

    Args:
        user: the user's id.
    """
    return receive_interaction_of(delivery_id(follow_up.id, channel), channel, follow_up.campaign, user, at)


def receive_interaction_of(name: str, channel: str, campaign: str, user: str, at: datetime) -> Interaction | None:
    """The same for the delivery `name`; where the provider reports deliveries, `at` is when it did (M4)."""
    kind = RECEIVE_TYPES.get(channel)
    if kind is None:
        return None
    return Interaction(id=receive_id(name), user=user, type=kind, campaign=campaign, occurred_at=at)


def receive_id(delivery: str) -> str:
    """The id of the interaction that receiving this delivery makes; there is one, however often it is told."""
    return f"receive-{delivery}"


def enrolment(follow_up: FollowUp, user: str, at: datetime) -> Interaction:
    """The one interaction of a control user, at the moment at which the message would have gone (W3)."""
    return Interaction(
        id=f"enroll-{follow_up.id}",
        user=user,
        type=InteractionType.ENROLL_IN_CONTROL_GROUP,
        campaign=follow_up.campaign,
        occurred_at=at,
    )


_OF_ONE_CHANNEL = {Reason.UNREACHABLE: 1, Reason.NO_CONSENT: 2}
