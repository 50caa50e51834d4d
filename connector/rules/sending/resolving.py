"""Settle messages whose result is unknown: an operator says whether they went out (guarantee 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason
from connector.rules.model.values import format_instant
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState, settle_again

NOT_SENT = "not_sent_by_operator"
"""The fault of a message that an operator settled as not sent."""
SENT_DETAIL = "an operator settled it as sent"
"""The detail of a message that an operator settled as sent."""


@dataclass(frozen=True)
class Resolution:
    """The changes when a message is settled.

    Args:
        delivery: the message as it is afterwards.
        follow_up: its follow-up as it is afterwards; None: the message was settled so before, and nothing changes.
    """

    delivery: DeliveryRecord
    follow_up: FollowUp | None


def decide_resolution(
    follow_up: FollowUp,
    deliveries: Mapping[str, DeliveryRecord],
    channel: str | None,
    *,
    was_sent: bool,
    now: datetime,
) -> Resolution | str:
    """Return what settling a message changes, or why it cannot be settled so, in one sentence.

    Only an unknown result can be settled. Settling it the same way again changes nothing; a result that is known, from
    the provider or from an earlier settlement, is not contradicted.

    Args:
        deliveries: the newest of each channel.
        channel: None: the only message that can be meant.
        was_sent: whether it went out; else it failed, and may be sent again.
        now: UTC.
    """
    if channel is not None and channel not in deliveries:
        return f"no {channel} message of it was ever attempted"
    meant = [deliveries[channel]] if channel is not None else _meant(list(deliveries.values()))
    if not meant:
        return "none of its messages was ever attempted"
    refusals = [_refusal(one, was_sent=was_sent) for one in meant]
    if len(meant) > 1 and (any(refusals) or meant[0].state is DeliveryState.UNKNOWN):
        return f"it has several messages: name one with its channel ({', '.join(one.channel for one in meant)})"
    if refusals[0] is not None:
        return refusals[0]
    if meant[0].state is not DeliveryState.UNKNOWN:
        return Resolution(meant[0], None)
    settled = _settle(meant[0], was_sent=was_sent, now=now)
    return Resolution(settled, settle_again(follow_up, {**deliveries, settled.channel: settled}, now))


def is_settled_by_operator(delivery: DeliveryRecord) -> bool:
    """Return whether an operator settled the message."""
    return delivery.fault == NOT_SENT or delivery.detail == SENT_DETAIL


def _meant(deliveries: Sequence[DeliveryRecord]) -> Sequence[DeliveryRecord]:
    """Return the messages that may be meant if no channel is named: unknown ones, else settled ones, else all."""
    unknown = [one for one in deliveries if one.state is DeliveryState.UNKNOWN]
    return unknown or [one for one in deliveries if is_settled_by_operator(one)] or deliveries


def _refusal(delivery: DeliveryRecord, *, was_sent: bool) -> str | None:
    """Return why a message cannot be settled so; None: it can be, or is already."""
    channel, at = delivery.channel, format_instant(delivery.decided_at)
    by_operator = is_settled_by_operator(delivery)
    match delivery.state:
        case DeliveryState.UNKNOWN:
            return None
        case DeliveryState.OPEN | DeliveryState.CLAIMED:
            return f"its {channel} message is being sent or tried again: its result is not unknown yet"
        case DeliveryState.SENT if not was_sent:
            how = "an operator settled it so" if by_operator else "its provider accepted it"
            return f"its {channel} message was sent: {how} at {at}"
        case DeliveryState.FAILED if was_sent:
            how = "an operator settled it so" if by_operator else f"its provider refused it ({delivery.fault})"
            return f"its {channel} message was not sent: {how} at {at}"
        case DeliveryState.DROPPED:
            return f"its {channel} message was never handed to its provider: {delivery.reason}"
    return None


def _settle(delivery: DeliveryRecord, *, was_sent: bool, now: datetime) -> DeliveryRecord:
    if was_sent:
        return replace(delivery, state=DeliveryState.SENT, reason=None, fault=None, detail=SENT_DETAIL, decided_at=now)
    return replace(
        delivery,
        state=DeliveryState.FAILED,
        reason=Reason.SEND_FAILED,
        fault=NOT_SENT,
        detail=None,
        decided_at=now,
    )
