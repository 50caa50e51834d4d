"""The words of every reason and every state, for whoever asks why somebody did or did not get a message (guarantee 7).

Two closed tables: a test holds that no code is without words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import DeliveryState

NOTED = "noted"
"""What stands in the place of a state on a late exception: nothing came of it, and it is told (X1)."""


@dataclass(frozen=True)
class EvidenceItem:
    """One thing that was looked at: its name for programs, its JSON value (times in UTC with Z), words for people."""

    name: str
    value: Any
    words: str


REASON_TEXTS: Mapping[Reason, str] = {
    Reason.BEFORE_PUBLISH: "it happened before the campaign was published for the first time",
    Reason.TARGET_INACTIVE: "the campaign or card that it is about was not live when it happened",
    Reason.NOT_LIVE: "the campaign was not live, either when it happened or when it arrived",
    Reason.NOT_IN_AUDIENCE: "the user was not in the campaign's audience",
    Reason.NOT_ELIGIBLE_AGAIN: "the user had received the campaign, and could not receive it again yet",
    Reason.ALREADY_WAITING: "a follow-up of the campaign was under way for the user already",
    Reason.DUPLICATE: "the same interaction had been reported before",
    Reason.EXCEPTION: "an exception called it off while it waited",
    Reason.LATE_EXCEPTION: "an exception arrived after the message had gone out, so nothing was undone",
    Reason.SUPERSEDED: "a later trigger took its place",
    Reason.STOPPED: "the campaign was stopped or archived while it waited",
    Reason.OUTSIDE_CAMPAIGN_DURATION: "the campaign had not begun by its `start`, or was over by its `end`",
    Reason.OUTSIDE_TIME_OF_DAY: "it was due outside the hours in which the campaign sends",
    Reason.QUIET_HOURS: "it was due in quiet hours, in which the campaign drops its messages",
    Reason.STALE: "it came to be sent too long after its time",
    Reason.FREQUENCY_CAPPED: "the user had been sent as many messages as a frequency cap allows",
    Reason.NO_CONSENT: "the user unsubscribed from the channel",
    Reason.UNREACHABLE: "there is no address of the user for the channel, or no content for any channel",
    Reason.ABORTED_BY_TEMPLATE: "the message's template said not to send it to this user",
    Reason.CONTROL_GROUP: "the user is in the campaign's control group, which gets no message",
    Reason.SEND_FAILED: "the message could not be handed over",
    Reason.SEND_UNKNOWN: "nobody knows whether the message went out, so it was not sent a second time",
    Reason.CANCELLED_BY_OPERATOR: "an operator cancelled it",
    Reason.ERASED: "the user was erased",
}

STATE_TEXTS: Mapping[State, str] = {
    State.WAITING: "waits",
    State.HELD: "is held back",
    State.SENDING: "is being sent",
    State.SENT: "sent",
    State.EXCEPTED: "called off",
    State.DROPPED: "ended without a message",
    State.CONTROL: "counted for the control group, without a message",
    State.FAILED: "failed",
    State.REFUSED: "refused",
}

DELIVERY_TEXTS: Mapping[DeliveryState, str] = {
    DeliveryState.OPEN: "not handed over yet",
    DeliveryState.CLAIMED: "being handed over",
    DeliveryState.SENT: "sent",
    DeliveryState.DROPPED: "not sent",
    DeliveryState.FAILED: "failed",
    DeliveryState.UNKNOWN: "perhaps sent",
}


def describe_state(state: str) -> str:
    """What a state means; `noted` too, which is none."""
    return "came too late" if state == NOTED else STATE_TEXTS[State(state)]
