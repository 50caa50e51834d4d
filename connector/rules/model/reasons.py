"""The closed enumerations of outcomes: the reasons for which a follow-up did not send, and its states (design 8)."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """Reasons for which a follow-up did not send. Every refusal, drop and end has one of these codes (guarantee 7)."""

    BEFORE_PUBLISH = "before_publish"
    TARGET_INACTIVE = "target_inactive"
    NOT_LIVE = "not_live"
    NOT_IN_AUDIENCE = "not_in_audience"
    NOT_ELIGIBLE_AGAIN = "not_eligible_again"
    ALREADY_WAITING = "already_waiting"
    DUPLICATE = "duplicate"
    EXCEPTION = "exception"
    LATE_EXCEPTION = "late_exception"
    SUPERSEDED = "superseded"
    STOPPED = "stopped"
    OUTSIDE_CAMPAIGN_DURATION = "outside_campaign_duration"
    OUTSIDE_TIME_OF_DAY = "outside_time_of_day"
    QUIET_HOURS = "quiet_hours"
    STALE = "stale"
    FREQUENCY_CAPPED = "frequency_capped"
    NO_CONSENT = "no_consent"
    UNREACHABLE = "unreachable"
    ABORTED_BY_TEMPLATE = "aborted_by_template"
    TEMPLATE_FAILED = "template_failed"
    CONTROL_GROUP = "control_group"
    SEND_FAILED = "send_failed"
    SEND_UNKNOWN = "send_unknown"
    CANCELLED_BY_OPERATOR = "cancelled_by_operator"
    ERASED = "erased"


class State(StrEnum):
    """The state of a follow-up. Waiting, held and sending are open; the others are final."""

    WAITING = "waiting"
    HELD = "held"
    SENDING = "sending"
    SENT = "sent"
    EXCEPTED = "excepted"
    DROPPED = "dropped"
    CONTROL = "control"
    FAILED = "failed"
    REFUSED = "refused"


OPEN_STATES = (State.WAITING, State.HELD, State.SENDING)

NOTED = "noted"
"""The pseudo-state of a late exception, which changes nothing but is shown (X1)."""
