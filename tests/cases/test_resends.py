"""Which failed messages may be sent again, by everything that may have changed since: the due-time list as of now.

Source of every row: guarantee 4 and the list "at the due time" of the rules of behaviour (W1 to W4, P9, P10, T1, X1).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.ingest.parsing import parse_item
from connector.rules.catalogue.catalogue import Catalogue, Window
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.interactions import Event, LogEntry
from connector.rules.model.reasons import Reason, State
from connector.rules.model.users import User
from connector.rules.sending.decisions import Recipient
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState
from connector.rules.sending.launching import NAME, is_launched
from connector.rules.sending.resending import Resend, ResendFacts, ResendRefused, decide_resend, decide_resends
from connector.rules.timing.caps import PastSend
from tests.support.builders import delivery_record, follow_on, original
from tests.support.evaluation import catalogue_of

NOW = datetime(2026, 3, 3, 12, tzinfo=UTC)
T = NOW - timedelta(days=1)
PUSH = {"push": {"title": "Hi", "body": "there"}}
BOTH = {**PUSH, "email": {"subject": "Hi", "text": "there", "from": "a@b.example"}}
EXCEPTIONS = {"delay": {"after": "1 hour"}, "exceptions": [{"event": "make_purchase"}]}
NIGHT = {"from": "11:00", "to": "13:00", "zone": "company"}
FAILED, SENT = DeliveryState.FAILED, DeliveryState.SENT
CAP = [{"channel": "push", "at_most": 1, "per": "day"}]
USER = User(id="u", push_tokens=("t",), email="u@example.com")


def item(type: str, hours: float, **fields: Any) -> LogEntry:
    """Return an item that happened `hours` hours after the trigger."""
    at = T + timedelta(hours=hours)
    wire = {"id": f"{type}-{hours}", "user": "u", "type": type, "occurred_at": at.isoformat(), **fields}
    return LogEntry(id=wire["id"], seq=int(hours * 10) + 2, t=at, received_at=at, item=parse_item(wire))


TRIGGER = item("event", 0, name="cart")


def failed(channel: str, **fields: Any) -> DeliveryRecord:
    state = {"state": FAILED, "reason": Reason.SEND_FAILED, "fault": "http_400", "claimed_at": None}
    return delivery_record(f"p.{channel}", "f", channel, **{**state, **fields})


def facts(deliveries: Mapping[str, DeliveryRecord] | None = None, **changes: Any) -> ResendFacts:
    """A follow-up whose push failed an hour after its trigger."""
    deliveries = {"push": failed("push")} if deliveries is None else deliveries
    states = {one.state for one in deliveries.values()}
    state, reason = (State.SENT, None) if SENT in states else (State.FAILED, Reason.SEND_FAILED)
    due = T + timedelta(hours=1)
    own = {name: changes.pop(name) for name in ("key", "state", "resends", "trigger") if name in changes}
    follow_up = FollowUp("p", "f", 1, 1, "k", "", TRIGGER, due, due, state, reason, tuple(deliveries))
    recipient = Recipient(USER, {}, past_sends=changes.pop("past_sends", ()))
    recipient = replace(recipient, **{name: changes.pop(name) for name in ("user", "receipts") if name in changes})
    given: dict[str, Any] = {"blocking": None, "since": (), **changes}
    return ResendFacts(replace(follow_up, dispatched_at=due, **own), deliveries, recipient, **given)


def catalogue(
    state: str = "active",
    *,
    closed: datetime | None = None,
    messages: dict[str, Any] = PUSH,
    workspace: Any = None,
    **delivery: Any,
) -> Catalogue:
    definition = follow_on("f", {"event": "cart"}, **{**EXCEPTIONS, **delivery}, messages=messages)
    known = catalogue_of(definition)
    entry = known.entries["f"]
    windows = (Window(1, entry.windows[0].opened_at, closed),) if closed else entry.windows
    known = known.with_entries([replace(entry, state=state, windows=windows)], version=2)  # type: ignore[arg-type]
    if workspace is None:
        return known
    return replace(known, workspace=parse_definition({"workspace": "default", **workspace}))


UNSUBSCRIBED = USER.model_copy(update={"consent": {"push": "unsubscribed"}})
ALWAYS = {"eligible_again": "always"}
RECEIVED = {"": T + timedelta(hours=5)}


@pytest.mark.parametrize(
    ("known", "given", "expected"),
    [
        (catalogue(), {}, ["push"]),
        (catalogue(), {"user": UNSUBSCRIBED}, "no_consent"),
        (catalogue(), {"user": USER.model_copy(update={"push_tokens": ()})}, "unreachable"),
        (
            catalogue(workspace={"frequency_caps": CAP}),
            {"past_sends": [PastSend("q", "push", NOW)]},
            "frequency_capped",
        ),
        (catalogue(workspace={"frequency_caps": CAP}), {"past_sends": [PastSend("q", "push", T)]}, ["push"]),
        (
            catalogue(workspace={"frequency_caps": CAP}, ignore_frequency_caps=True),
            {"past_sends": [PastSend("q", "push", NOW)]},
            ["push"],
        ),
        (catalogue("stopped", closed=NOW), {}, "stopped"),
        (catalogue("archived", closed=NOW), {}, "stopped"),
        (catalogue("active", closed=NOW), {}, "stopped"),  # stopped and resumed: its window stays closed (P9)
        (catalogue(end="2026-03-03T12:00:00Z"), {}, "outside_campaign_duration"),
        (catalogue(end="2026-03-03T12:00:01Z"), {}, ["push"]),
        (catalogue(time_of_day=NIGHT), {}, ["push"]),
        (catalogue(time_of_day={**NIGHT, "from": "13:00", "to": "14:00"}), {}, "outside_time_of_day"),
        (catalogue(quiet_hours={**NIGHT, "then": "drop"}), {}, "quiet_hours"),
        (catalogue(quiet_hours={**NIGHT, "then": "hold"}), {}, "held"),
        (catalogue(), {"receipts": RECEIVED}, "not_eligible_again"),
        (catalogue(**ALWAYS), {"receipts": RECEIVED}, ["push"]),
        (catalogue(), {"receipts": {"another key": T}}, ["push"]),
        (catalogue(messages={"email": BOTH["email"]}), {}, "unreachable"),
        (catalogue(), {"since": [item("make_purchase", 0.5)]}, "exception"),
        (catalogue(), {"since": [item("make_purchase", 20)]}, "exception"),
        (catalogue(), {"since": [item("make_purchase", -1)]}, ["push"]),
        (catalogue(), {"since": [TRIGGER]}, ["push"]),
        (catalogue(exceptions=[{"event": "cart"}]), {"since": [item("event", 3, name="cart")]}, "exception"),
        (catalogue(), {"blocking": "q"}, "already_waiting"),
        (catalogue(), {"key": "p"}, "erased"),
    ],
)
def test_rules_of_today(known: Catalogue, given: dict[str, Any], expected: Any) -> None:
    """W1 to W4, P9, T1, X1: what a rule forbids now is refused with its reason, and is left as it is."""
    decided = decide_resend(facts(**given), None, known, NOW)
    if isinstance(expected, list) or expected == "held":
        assert isinstance(decided, Resend)
        assert [one.channel for one in decided.deliveries] == ["push"]
        assert (decided.follow_up.state, decided.follow_up.resends) == (State.WAITING, 1)
        assert (decided.follow_up.due_at, decided.follow_up.next_at) == (T + timedelta(hours=1), NOW)
        assert (decided.held_until is not None) == (expected == "held")
    else:
        assert isinstance(decided, ResendRefused)
        assert decided.reason == expected


def test_two_of_one_key() -> None:
    """T1: in one request, only the first of a campaign, user and key is sent again; another key's is too."""
    one, other = facts(), facts()
    elsewhere = replace(other, follow_up=replace(other.follow_up, key="k2"))
    decided = decide_resends([one, other, elsewhere], None, catalogue(), NOW)
    assert [type(found) for _, found in decided] == [Resend, ResendRefused, Resend]
    assert isinstance(decided[1][1], ResendRefused)
    assert decided[1][1].reason is Reason.ALREADY_WAITING


EMAIL_SENT = {"push": failed("push"), "email": delivery_record("p.email", "f", "email", claimed_at=T)}
BOTH_FAILED = {"push": failed("push"), "email": failed("email")}
UNKNOWN = {"state": DeliveryState.UNKNOWN, "reason": Reason.SEND_UNKNOWN, "claimed_at": T}
EMAIL_UNKNOWN = {"push": failed("push"), "email": failed("email", **UNKNOWN)}
AGAIN = {"push": delivery_record("p.push.2", "f", "push", state=DeliveryState.OPEN)}


@pytest.mark.parametrize(
    ("deliveries", "channel", "given", "expected"),
    [
        (EMAIL_SENT, None, {"receipts": {"": T}}, ["push"]),  # its own receipt does not count against it (T1)
        (EMAIL_SENT, "push", {}, ["push"]),
        (EMAIL_SENT, "email", {}, "its email message did not fail"),
        (BOTH_FAILED, None, {}, ["push", "email"]),
        (BOTH_FAILED, "email", {}, ["email"]),
        (BOTH_FAILED, None, {"user": UNSUBSCRIBED}, ["email"]),
        (BOTH_FAILED, "push", {"user": UNSUBSCRIBED}, "no_consent"),
        (EMAIL_UNKNOWN, None, {}, ["push"]),
        (EMAIL_UNKNOWN, "email", {}, "connector resolve p --not-sent"),
        (BOTH_FAILED, None, {"state": State.HELD}, "it has not ended"),
        (AGAIN, None, {"state": State.WAITING, "resends": 1}, []),
        (AGAIN, None, {"state": State.EXCEPTED, "resends": 1}, "only a message that failed"),
        ({}, None, {"state": State.DROPPED}, "only a message that failed"),
        ({}, None, {"state": State.CONTROL}, "only a message that failed"),
        ({"push": failed("push", state=DeliveryState.DROPPED)}, None, {}, "only a message that failed"),
        ({"push": failed("push", state=DeliveryState.CLAIMED)}, None, {"state": State.SENDING}, "only a message"),
    ],
)
def test_channels(
    deliveries: dict[str, DeliveryRecord], channel: str | None, given: dict[str, Any], expected: Any
) -> None:
    """X1: only the channels that failed go again; what a rule forbids on one channel does not keep the others."""
    decided = decide_resend(facts(deliveries, **given), channel, catalogue(messages=BOTH), NOW)
    if isinstance(expected, str):
        assert isinstance(decided, ResendRefused)
        assert expected in decided.why or expected == decided.reason
        return
    assert isinstance(decided, Resend)
    assert [one.channel for one in decided.deliveries] == expected
    assert [one.id for one in decided.deliveries] == [f"p.{name}.2" for name in expected]
    is_unsubscribed = given.get("user") is UNSUBSCRIBED
    assert decided.left_out == ({"push": Reason.NO_CONSENT} if is_unsubscribed else {})


@pytest.mark.parametrize(("state", "expected"), [("active", ["push"]), ("stopped", "stopped"), ("archived", "stopped")])
def test_message_of_a_launch(state: str, expected: Any) -> None:
    """P9: it goes in a workflow of its own, in the window that is open; the launch may have ended."""
    event = Event.model_construct(id=None, user="", occurred_at=T, properties={}, type="event", name=NAME)
    launched = facts(trigger=LogEntry(id="launch-1", seq=0, t=T, received_at=T, item=event))
    known = catalogue_of({**original(), "campaign": "f"})
    entry = known.entries["f"]
    windows = (Window(1, T, T), Window(2, T, None if state == "active" else NOW))
    known = known.with_entries([replace(entry, state=state, windows=windows)], version=2)  # type: ignore[arg-type]
    decided = decide_resend(launched, None, known, NOW)
    if isinstance(decided, ResendRefused):
        assert decided.reason == expected
        return
    assert [one.channel for one in decided.deliveries] == expected
    assert (is_launched(launched.follow_up), is_launched(decided.follow_up)) == (True, False)
    assert (decided.follow_up.window_id, decided.follow_up.trigger.id) == (2, "launch-1.resend")
