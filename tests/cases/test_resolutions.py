"""Guarantee 4: how an operator may settle a message in each state, and which message without a channel; bulk actions.

Source of every row: guarantee 4 ("only a result that nobody knows becomes `send_unknown` … a later report or an
operator settles it") and W1, M4 and X1 of the rules of behaviour. Stripe's idempotent requests are the model for
repetitions: the same request again has the same effect, and one that contradicts it is refused.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import parse_item
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState, resend_number, settle_again
from connector.rules.sending.operating import decide_bulk_action
from connector.rules.sending.resolving import NOT_SENT, SENT_DETAIL, Resolution, decide_resolution
from tests.support.builders import delivery_record

DUE = datetime(2026, 3, 2, 12, tzinfo=UTC)
NOW = DUE + timedelta(hours=5)
SENT, UNKNOWN, FAILED = DeliveryState.SENT, DeliveryState.UNKNOWN, DeliveryState.FAILED
OPEN, CLAIMED, DROPPED = DeliveryState.OPEN, DeliveryState.CLAIMED, DeliveryState.DROPPED


def follow_up(state: State = State.FAILED, reason: Reason | None = Reason.SEND_UNKNOWN, **fields: Any) -> FollowUp:
    item = parse_item({"id": "e1", "user": "u", "type": "make_purchase", "occurred_at": DUE.isoformat()})
    trigger = LogEntry(id="e1", seq=1, t=DUE, received_at=DUE, item=item)
    given = {"due_at": DUE, "next_at": DUE, "channels": ("push", "email"), **fields}
    return FollowUp("p", "f", 1, 1, "k", "", trigger, state=state, reason=reason, **given)


def delivery(channel: str, state: DeliveryState, reason: str | None = None, **fields: Any) -> DeliveryRecord:
    why = None if reason is None else Reason(reason)
    times = {"claimed_at": DUE, "decided_at": DUE + timedelta(minutes=1)}
    return delivery_record(f"p.{channel}", "f", channel, state=state, reason=why, **{**times, **fields})


BY_OPERATOR: dict[str, dict[str, Any]] = {
    "sent": {"state": SENT, "detail": SENT_DETAIL},
    "not_sent": {"state": FAILED, "reason": "send_failed", "fault": NOT_SENT},
}


@pytest.mark.parametrize(
    ("stored", "verdict", "expected"),
    [
        ({"state": UNKNOWN, "reason": "send_unknown"}, "sent", ("sent", None)),
        ({"state": UNKNOWN, "reason": "send_unknown"}, "not_sent", ("failed", "send_failed")),
        ({"state": SENT}, "sent", "unchanged"),
        ({"state": SENT}, "not_sent", "its push message was sent: its provider accepted it at 2026-03-02T12:01:00Z"),
        ({"state": FAILED, "reason": "send_failed", "fault": "http_400"}, "not_sent", "unchanged"),
        ({"state": FAILED, "reason": "send_failed", "fault": "http_400"}, "sent", "its provider refused it (http_400)"),
        (BY_OPERATOR["sent"], "sent", "unchanged"),
        (BY_OPERATOR["sent"], "not_sent", "was sent: an operator settled it so at 2026-03-02T12:01:00Z"),
        (BY_OPERATOR["not_sent"], "not_sent", "unchanged"),
        (BY_OPERATOR["not_sent"], "sent", "was not sent: an operator settled it so at 2026-03-02T12:01:00Z"),
        ({"state": CLAIMED}, "sent", "its result is not unknown yet"),
        ({"state": CLAIMED}, "not_sent", "its result is not unknown yet"),
        ({"state": OPEN, "fault": "http_503"}, "sent", "tried again: its result is not unknown yet"),
        ({"state": OPEN, "fault": "http_503"}, "not_sent", "tried again: its result is not unknown yet"),
        ({"state": DROPPED, "reason": "no_consent"}, "sent", "never handed to its provider: no_consent"),
        ({"state": DROPPED, "reason": "no_consent"}, "not_sent", "never handed to its provider: no_consent"),
        ({"state": DROPPED, "reason": "stopped"}, "sent", "never handed to its provider: stopped"),
    ],
)
def test_what_can_be_said_of_a_message(stored: dict[str, Any], verdict: str, expected: Any) -> None:
    """Only an unknown result is settled; a repetition changes nothing; a contradiction is refused in one sentence."""
    decided = decide_resolution(
        follow_up(channels=("push",)), {"push": delivery("push", **stored)}, None, was_sent=verdict == "sent", now=NOW
    )
    if isinstance(expected, tuple):
        assert isinstance(decided, Resolution)
        assert decided.follow_up is not None
        assert (decided.follow_up.state, decided.follow_up.reason) == expected
        assert (decided.delivery.decided_at, decided.delivery.claimed_at) == (NOW, DUE)
    elif expected == "unchanged":
        assert isinstance(decided, Resolution)
        assert decided.follow_up is None
    else:
        assert isinstance(decided, str)
        assert expected in decided
        assert "\n" not in decided


TWO_UNKNOWN = {"push": delivery("push", UNKNOWN, "send_unknown"), "email": delivery("email", UNKNOWN, "send_unknown")}
ONE_SENT = {"push": delivery("push", SENT), "email": delivery("email", UNKNOWN, "send_unknown")}
ONE_FAILED = {"push": delivery("push", FAILED, "send_failed"), "email": delivery("email", UNKNOWN, "send_unknown")}
ONE_DROPPED = {"push": delivery("push", DROPPED, "no_consent"), "email": delivery("email", UNKNOWN, "send_unknown")}


@pytest.mark.parametrize(
    ("deliveries", "channel", "verdict", "expected"),
    [
        (TWO_UNKNOWN, None, "sent", "name one with its channel (push, email)"),
        (TWO_UNKNOWN, "email", "sent", ("email", "sent", None)),
        (TWO_UNKNOWN, "email", "not_sent", ("email", "failed", "send_unknown")),
        (ONE_SENT, None, "sent", ("email", "sent", None)),
        (ONE_SENT, None, "not_sent", ("email", "sent", None)),
        (ONE_SENT, "push", "not_sent", "its push message was sent"),
        (ONE_FAILED, None, "sent", ("email", "sent", None)),
        (ONE_FAILED, None, "not_sent", ("email", "failed", "send_failed")),
        (ONE_DROPPED, None, "sent", ("email", "sent", None)),
        (ONE_DROPPED, None, "not_sent", ("email", "failed", "send_failed")),
        (ONE_DROPPED, "sms", "sent", "no sms message of it was ever attempted"),
        ({}, None, "sent", "none of its messages was ever attempted"),
        ({}, None, "not_sent", "none of its messages was ever attempted"),
    ],
)
def test_which_message_is_meant(
    deliveries: dict[str, DeliveryRecord], channel: str | None, verdict: str, expected: Any
) -> None:
    """X1: each channel has its own result; without a channel the only unknown one is meant."""
    decided = decide_resolution(follow_up(), deliveries, channel, was_sent=verdict == "sent", now=NOW)
    if isinstance(expected, str):
        assert isinstance(decided, str)
        assert expected in decided
        return
    assert isinstance(decided, Resolution)
    assert decided.follow_up is not None
    assert (decided.delivery.channel, decided.follow_up.state, decided.follow_up.reason) == expected


@pytest.mark.parametrize("verdict", ["sent", "not_sent"])
def test_repetition_of_one_of_several(verdict: str) -> None:
    """A repetition concerns the message that the operator settled, not one whose result the provider gave."""
    deliveries = {"push": delivery("push", FAILED, "send_failed"), "email": delivery("email", **BY_OPERATOR[verdict])}
    again = decide_resolution(follow_up(), deliveries, None, was_sent=verdict == "sent", now=NOW)
    assert isinstance(again, Resolution)
    assert (again.follow_up, again.delivery.channel) == (None, "email")


def test_open_follow_up_goes_on() -> None:
    """X1: email is held when push's unknown result is settled: the follow-up goes on to wait for email."""
    held = follow_up(State.HELD, None, next_at=NOW + timedelta(hours=9), dispatched_at=DUE)
    known = {"push": delivery("push", UNKNOWN, "send_unknown")}
    for was_sent in (True, False):
        decided = decide_resolution(held, known, None, was_sent=was_sent, now=NOW)
        assert isinstance(decided, Resolution)
        assert decided.follow_up is not None
        assert (decided.follow_up.state, decided.follow_up.dispatched_at) == (State.HELD, DUE)


def test_end_that_a_report_corrects() -> None:
    """Guarantee 4: a workflow was closed by hand before email was attempted; push turns out to be sent."""
    known = {"push": delivery("push", SENT)}
    assert settle_again(follow_up(), known, NOW).state is State.SENT


@pytest.mark.parametrize(
    ("id", "number"), [("p.push", 0), ("p.push.2", 1), ("p.push.10", 9), ("p.push.11", 10), ("p.in_app_message.3", 2)]
)
def test_number_of_a_resend(id: str, number: int) -> None:
    """The newest delivery of a channel is found beyond nine resends too."""
    assert resend_number(id) == number


HOUR = timedelta(hours=1)
WAITING = {"state": State.WAITING, "reason": None, "next_at": NOW + HOUR}
DUE_NOW = {"state": State.WAITING, "reason": None, "next_at": NOW - HOUR}
HELD = {"state": State.HELD, "reason": None, "next_at": NOW + HOUR}
SENDING = {"state": State.SENDING, "reason": None, "dispatched_at": NOW}
TRIED = [delivery("push", OPEN, fault="http_503")]


@pytest.mark.parametrize(
    ("verb", "state", "deliveries", "to", "expected"),
    [
        ("cancel", WAITING, [], None, ("dropped", "cancelled_by_operator")),
        ("cancel", HELD, [], None, ("dropped", "cancelled_by_operator")),
        ("cancel", DUE_NOW, TRIED, None, ("dropped", "cancelled_by_operator")),
        ("cancel", SENDING, [], None, "being sent or was sent"),
        ("cancel", {"state": State.SENT, "reason": None}, [], None, "it has ended: sent"),
        ("cancel", {"state": State.DROPPED, "reason": Reason.STOPPED}, [], None, "it has ended: dropped (stopped)"),
        ("cancel", {"state": State.EXCEPTED, "reason": Reason.EXCEPTION}, [], None, "it has ended: excepted"),
        ("cancel", {"state": State.CONTROL, "reason": Reason.CONTROL_GROUP}, [], None, "it has ended: control"),
        ("send_now", WAITING, [], None, NOW),
        ("send_now", HELD, [], None, NOW),
        ("send_now", DUE_NOW, [], None, None),
        ("send_now", DUE_NOW, TRIED, None, "being sent or tried again"),
        ("send_now", SENDING, [], None, "being sent or was sent"),
        ("postpone", WAITING, [], NOW + 2 * HOUR, NOW + 2 * HOUR),
        ("postpone", HELD, [], NOW + 2 * HOUR, NOW + 2 * HOUR),
        ("postpone", DUE_NOW, [], NOW + 2 * HOUR, NOW + 2 * HOUR),
        ("postpone", WAITING, [], NOW + HOUR, None),
        ("postpone", DUE_NOW, TRIED, NOW + HOUR, "being sent or tried again"),
        ("postpone", WAITING, [], 8 * HOUR, DUE + 8 * HOUR),
        ("postpone", {**WAITING, "next_at": DUE + 8 * HOUR}, [], 8 * HOUR, None),
        ("postpone", {**WAITING, "next_at": DUE + 9 * HOUR}, [], 8 * HOUR, None),
        ("postpone", DUE_NOW, [], 2 * HOUR, "postpone it until a time to come"),
        ("postpone", DUE_NOW, [], 8 * HOUR, DUE + 8 * HOUR),
        ("postpone", WAITING, [], 2 * HOUR, None),
    ],
)
def test_action_on_one_of_many(verb: Any, state: dict[str, Any], deliveries: list[Any], to: Any, expected: Any) -> None:
    """An action leaves finished work as it is (None), so that the same command continues an interrupted run."""
    decided = decide_bulk_action(verb, follow_up(**state), deliveries, NOW, to=to)
    if isinstance(expected, str) and expected:
        assert isinstance(decided, str)
        assert expected in decided
    elif expected is None:
        assert decided is None
    else:
        assert isinstance(decided, FollowUp)
        if verb == "cancel":
            assert (decided.state, decided.reason) == expected
        else:
            assert (decided.state, decided.next_at, decided.due_at) == (State.WAITING, expected, DUE)
        assert decide_bulk_action(verb, decided, deliveries, NOW, to=to) is None or verb == "cancel"
