"""The texts of explanations: every reason and state, and items, conditions, audiences, hours and values in words.

The tables of reasons and states are complete; a test holds that no code is without a text (guarantee 7).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.campaigns import FrequencyCap
from connector.rules.model.conditions import REFINEMENTS, Condition, EventCondition
from connector.rules.model.interactions import Interaction, Item
from connector.rules.model.predicates import All, Any_, AttributePredicate, Did, Interacted, Not, Predicate
from connector.rules.model.reasons import NOTED, Reason, State
from connector.rules.model.schedules import EligibleAfter, QuietHours, TimeOfDay
from connector.rules.model.values import canonical_json, format_duration, format_instant
from connector.rules.sending.deliveries import DeliveryState
from connector.rules.timing.windows import format_hours

REASON_TEXTS: Mapping[Reason, str] = {
    Reason.BEFORE_PUBLISH: "it happened before the campaign was published for the first time",
    Reason.TARGET_INACTIVE: "the campaign or card that it is about was not live when it happened",
    Reason.NOT_LIVE: "the campaign was not live, either when it happened or when it arrived",
    Reason.NOT_IN_AUDIENCE: "the user was not in the campaign's audience",
    Reason.NOT_ELIGIBLE_AGAIN: "the user had received the campaign and could not receive it again yet",
    Reason.ALREADY_WAITING: "a follow-up of the campaign was open for the user already",
    Reason.DUPLICATE: "the same interaction had been reported before",
    Reason.EXCEPTION: "an exception cancelled it while it waited",
    Reason.LATE_EXCEPTION: "an exception arrived after the message had been sent, so nothing was undone",
    Reason.SUPERSEDED: "a later trigger superseded it",
    Reason.STOPPED: "the campaign was stopped or archived while it waited",
    Reason.OUTSIDE_CAMPAIGN_DURATION: "it was before the campaign's `start`, or at or after its `end`",
    Reason.OUTSIDE_TIME_OF_DAY: "it was due outside the hours in which the campaign sends",
    Reason.QUIET_HOURS: "it was due in quiet hours, in which the campaign drops its messages",
    Reason.STALE: "it came to be sent too long after its due time",
    Reason.FREQUENCY_CAPPED: "the user had received as many messages as a frequency cap allows",
    Reason.NO_CONSENT: "the user unsubscribed from the channel",
    Reason.UNREACHABLE: "the user has no usable address for the channel, or there is no content for any channel",
    Reason.ABORTED_BY_TEMPLATE: "the message's template aborted it for this user",
    Reason.TEMPLATE_FAILED: "the message's template could not be rendered for this user",
    Reason.CONTROL_GROUP: "the user is in the campaign's control group, which gets no message",
    Reason.SEND_FAILED: "the message could not be sent",
    Reason.SEND_UNKNOWN: "it is unknown whether the message was sent, so it was not sent again",
    Reason.CANCELLED_BY_OPERATOR: "an operator cancelled it",
    Reason.ERASED: "the user was erased",
}

STATE_TEXTS: Mapping[State, str] = {
    State.WAITING: "waits",
    State.HELD: "is held",
    State.SENDING: "is being sent",
    State.SENT: "sent",
    State.EXCEPTED: "cancelled",
    State.DROPPED: "ended without a message",
    State.CONTROL: "counted for the control group, without a message",
    State.FAILED: "failed",
    State.REFUSED: "refused",
}

DELIVERY_TEXTS: Mapping[DeliveryState, str] = {
    DeliveryState.OPEN: "not sent yet",
    DeliveryState.CLAIMED: "being sent",
    DeliveryState.SENT: "sent",
    DeliveryState.DROPPED: "not sent",
    DeliveryState.FAILED: "failed",
    DeliveryState.UNKNOWN: "possibly sent",
}

WAYS_OUT: Mapping[str, str] = {
    Reason.SEND_UNKNOWN: "ask the provider, then `connector resolve {id} --sent` or `--not-sent`",
    Reason.SEND_FAILED: "correct the cause, then `connector resend {id}`",
}
"""What an operator can do about a message that failed for one of these reasons; `{id}` is the follow-up's."""

NOT_SENT_TEXT = "an operator settled it as not sent; `connector audit --action resolve` shows who did, and the note"
"""The text of the fault of a message that an operator settled as not sent (`resolving.NOT_SENT`)."""

_PLAIN = re.compile(r"[^\W\d][\w.:/@-]*")


def describe_state(state: str) -> str:
    """Return the text of a state, or of `noted`."""
    return "came too late" if state == NOTED else STATE_TEXTS[State(state)]


def describe_item(item: Item) -> str:
    """Describe what a user did, with its properties."""
    about = f" of the {_kind(item)} {item.target}" if isinstance(item, Interaction) else ""
    return f"{item.name_or_type}{about}{_listed(item.properties)}"


def describe_condition(condition: Condition) -> str:
    """Describe what a trigger or an exception listens to, with its refinements and its `where`."""
    if isinstance(condition, EventCondition):
        return f"{condition.event}{_listed(condition.where)}"
    refinements = {name: getattr(condition, name) for name in REFINEMENTS if getattr(condition, name) is not None}
    about = f"{condition.interaction} of the {_kind(condition)} {condition.target}"
    return f"{about}{_listed(refinements | condition.where)}"


def describe_predicate(predicate: Predicate) -> str:
    """Describe an audience as one clause."""
    if predicate == "everyone":
        return "everyone"
    if isinstance(predicate, All):
        return f"all of ({'; '.join(map(describe_predicate, predicate.all))})"
    if isinstance(predicate, Any_):
        return f"any of ({'; '.join(map(describe_predicate, predicate.any))})"
    if isinstance(predicate, Not):
        return f"not ({describe_predicate(predicate.not_)})"
    if isinstance(predicate, AttributePredicate):
        return f"{predicate.attribute} {predicate.operator} {format_value(predicate.operand)}"
    condition = predicate.interacted if isinstance(predicate, Interacted) else predicate.did
    within = f" within {format_duration(condition.within)}" if condition.within is not None else ""
    return f"did {describe_condition(condition)}{within}"


def leaf_predicates(predicate: Predicate) -> list[AttributePredicate | Interacted | Did]:
    """Return the predicates of an audience without its combinations, in the order in which they are written."""
    if isinstance(predicate, All | Any_):
        parts = predicate.all if isinstance(predicate, All) else predicate.any
        return [leaf for part in parts for leaf in leaf_predicates(part)]
    if isinstance(predicate, Not):
        return leaf_predicates(predicate.not_)
    return [predicate] if isinstance(predicate, AttributePredicate | Interacted | Did) else []


def describe_windows(entry: Entry) -> str:
    """Describe when a campaign or card was live."""
    windows = [
        f"from {format_instant(window.opened_at)} "
        + ("on" if window.closed_at is None else f"to {format_instant(window.closed_at)}")
        for window in entry.windows
    ]
    return f"{entry.id} was live {', '.join(windows)}" if windows else f"{entry.id} has never been published"


def describe_hours(hours: TimeOfDay | QuietHours, zone: str) -> str:
    """Describe hours of the day in their zone."""
    return f"{format_hours(hours)} in {zone}"


def describe_cap(cap: FrequencyCap) -> str:
    """Describe a frequency cap."""
    days = "a day" if cap.days == 1 else f"in {cap.days} days"
    return f"at most {cap.at_most} {'messages' if cap.channel == 'any' else cap.channel} {days}"


def describe_eligibility(rule: str | EligibleAfter) -> str:
    """Describe `eligible_again` as written in the campaign."""
    return f"after {format_duration(rule.after)}" if isinstance(rule, EligibleAfter) else rule


def format_value(value: Any) -> str:
    """Format a JSON value. Texts have no quotes if they are unambiguous without them."""
    is_plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value not in ("true", "false", "null")
    return str(value) if is_plain else canonical_json(value)


def _kind(item: Any) -> str:
    return "card" if item.card is not None else "campaign"


def _listed(values: dict[str, Any]) -> str:
    return f" ({', '.join(f'{name}: {format_value(value)}' for name, value in values.items())})" if values else ""
