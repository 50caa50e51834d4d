"""The FollowUp workflow on the real server with virtual time; activities that record in the place of the store."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.wire import FollowUpEnd, FollowUpResult, SendOutcome
from tests.support.polling import until
from tests.support.temporal_server import attributes_of, events_of, state_of, until_event
from tests.support.workflow_harness import SENT, FakeActivities, WorkflowHarness, held

DROPPED = SendOutcome(outcome="dropped", state="dropped", reason="unreachable")
CAPPED = SendOutcome(outcome="dropped", state="dropped", reason="frequency_capped")
FAILED = SendOutcome(outcome="failed", state="failed", reason="send_failed")
UNKNOWN = SendOutcome(outcome="failed", state="failed", reason="send_unknown")
CONTROL = SendOutcome(outcome="control", state="control", reason="control_group")
EXCEPTED = FollowUpEnd(state="excepted", reason="exception")


def ended(state: str | None, reason: str | None = None) -> SendOutcome:
    """The result of a send whose follow-up had ended."""
    return SendOutcome(outcome="ended", state=state, reason=reason)


async def test_sent_after_its_delay_within_seventeen_events(environment: WorkflowEnvironment) -> None:
    """D1: thirty days pass in virtual time; a sent single-channel follow-up costs at most 17 events."""
    told = FakeActivities(push=[SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up(delay=timedelta(days=30))
        began = (await handle.describe()).start_time
        assert (await handle.result()).state == "sent"
    [(_, at)] = told.sent
    assert at - began >= timedelta(days=29, hours=23)
    assert len(await events_of(handle)) <= 17
    assert await state_of(handle) == "sent"


async def test_without_delay_sent_at_once(environment: WorkflowEnvironment) -> None:
    """D1: no delay, no timer."""
    async with WorkflowHarness(environment, FakeActivities(push=[SENT])).workers() as harness:
        handle = await harness.follow_up()
        assert (await handle.result()).state == "sent"
    assert "TIMER_STARTED" not in await events_of(handle)


async def test_ended_in_the_wait_within_twelve_events(environment: WorkflowEnvironment) -> None:
    """X4: the end is prompt, sends nothing and costs at most 12 events, the final state's upsert included."""
    told = FakeActivities(push=[SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up(delay=timedelta(days=1))
        await until_event(handle, "TIMER_STARTED")
        await handle.signal(names.ENDED, EXCEPTED)
        assert await handle.result() == FollowUpResult(state="excepted", reason="exception")
    assert told.sent == []
    assert len(await events_of(handle)) <= 12
    assert await state_of(handle) == "excepted"


async def test_end_that_comes_before_the_first_task_counts(environment: WorkflowEnvironment) -> None:
    """A signal that meets the start, with the due time already past, still ends it."""
    told = FakeActivities(push=[SENT])
    harness = WorkflowHarness(environment, told)
    handle = await harness.follow_up()
    await handle.signal(names.ENDED, FollowUpEnd(state="dropped", reason="stopped"))
    async with harness.workers():
        assert (await handle.result()).state == "dropped"
    assert told.sent == []


async def test_end_that_meets_the_timer_counts(environment: WorkflowEnvironment) -> None:
    """Both are in one task, because no worker was there when they came: the flag is read after the wait."""
    told = FakeActivities(push=[SENT])
    harness = WorkflowHarness(environment, told)
    async with harness.workers():
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up(delay=timedelta(days=1))
        await until_event(handle, "TIMER_STARTED")
    await environment.fast_forward(handle, timedelta(days=1))
    await until_event(handle, "TIMER_FIRED")
    await handle.signal(names.ENDED, EXCEPTED)
    async with harness.workers():
        assert (await handle.result()).state == "excepted"
    assert told.sent == []


async def test_held_is_judged_again_at_the_holds_end(environment: WorkflowEnvironment) -> None:
    """Case 17: held for quiet hours, then sent."""
    hold = held(timedelta(hours=9))
    told = FakeActivities(push=[hold, SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up(delay=timedelta(hours=1))
        assert (await handle.result()).state == "sent"
    [(_, first), (_, second)] = told.sent
    assert hold.until is not None
    assert first < hold.until <= second


async def test_ended_while_held(environment: WorkflowEnvironment) -> None:
    """X1: an exception while a message is held still counts."""
    told = FakeActivities(push=[held(timedelta(hours=9)), SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up()
        await until_event(handle, "TIMER_STARTED")
        await handle.signal(names.ENDED, EXCEPTED)
        assert (await handle.result()).state == "excepted"
    assert len(told.sent) == 1


async def test_channels_are_held_each_for_itself(environment: WorkflowEnvironment) -> None:
    """Two channels with different holds and one that is dropped: each goes out at its own time."""
    short, long = held(timedelta(hours=2)), held(timedelta(hours=9))
    told = FakeActivities(push=[long, SENT], sms=[short, SENT], email=[DROPPED])
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up("push", "sms", "email", delay=timedelta(hours=1))
        assert (await handle.result()).state == "sent"
    again = {channel: at for channel, at in told.sent[3:]}
    assert long.until is not None
    assert short.until is not None
    assert short.until <= again["sms"] < long.until <= again["push"]
    assert len(told.sent) == 5


async def test_newer_content_on_another_channel(environment: WorkflowEnvironment) -> None:
    """P10: the content is the newest live one, whatever its channels are."""
    told = FakeActivities(push=[SendOutcome(outcome="moved", channels=("email",))], email=[SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up("push", delay=timedelta(hours=1))
        assert (await handle.result()).state == "sent"
    assert [channel for channel, _ in told.sent] == ["push", "email"]


async def test_two_channels_that_move_to_the_same_one_send_once(environment: WorkflowEnvironment) -> None:
    """At most one message: what is in hand already is not begun a second time."""
    moved = SendOutcome(outcome="moved", channels=("email",))
    told = FakeActivities(push=[moved], sms=[moved], email=[held(timedelta(hours=5)), SENT, SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up("push", "sms")
        assert (await handle.result()).state == "sent"
    assert [channel for channel, _ in told.sent if channel == "email"] == ["email", "email"]


@pytest.mark.parametrize(
    ("outcomes", "end"),
    [
        ([DROPPED, SENT], FollowUpResult(state="sent", channels=("email",))),
        ([SENT, SENT], FollowUpResult(state="sent", channels=("email", "push"))),
        ([DROPPED, FAILED], FollowUpResult(state="failed", reason="send_failed")),
        ([FAILED, UNKNOWN], FollowUpResult(state="failed", reason="send_unknown")),
        ([DROPPED, DROPPED], FollowUpResult(state="dropped", reason="unreachable")),
        ([DROPPED, CAPPED], FollowUpResult(state="dropped", reason="frequency_capped")),
        ([CONTROL, ended("control")], FollowUpResult(state="control", reason="control_group")),
        ([ended(None), ended("excepted", "exception")], FollowUpResult(state="excepted", reason="exception")),
        ([DROPPED, ended("dropped", "of_a_later_version")], FollowUpResult(state="dropped", reason="unreachable")),
        ([ended("dropped", "of_a_later_version")], FollowUpResult(state="dropped", reason="of_a_later_version")),
    ],
)
async def test_the_end_of_several_channels(
    environment: WorkflowEnvironment, outcomes: list[SendOutcome], end: FollowUpResult
) -> None:
    """Sent where at least one channel went out; else what weighs most, with its reason, also as search attributes."""
    told = FakeActivities(push=outcomes[:1], email=outcomes[1:])
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up(*("push", "email")[: len(outcomes)])
        assert await handle.result() == end
    shown = await attributes_of(handle)
    assert (shown[names.STATE_ATTRIBUTE], shown.get(names.REASON_ATTRIBUTE)) == (end.state, end.reason)


async def test_workflows_are_found_by_their_reason(environment: WorkflowEnvironment) -> None:
    """`FollowUpReason = "unreachable"` in the UI or the `temporal` program lists them."""
    async with WorkflowHarness(environment, FakeActivities(push=[DROPPED])).workers() as harness:
        handle = await harness.follow_up()
        await handle.result()
    query = f"{names.REASON_ATTRIBUTE} = 'unreachable' AND WorkflowId = '{handle.id}'"

    async def is_found() -> bool:
        return (await environment.client.count_workflows(query)).count == 1

    await until(is_found, "the workflow in Temporal's visibility")


async def test_signalled_interaction_goes_through_intake(environment: WorkflowEnvironment) -> None:
    """An `exception` signal is an interaction: intake is told, and the wait goes on unless intake ends it."""
    told = FakeActivities(push=[SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up(delay=timedelta(days=1))
        await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
        await handle.signal(names.EXCEPTION, {"anything": ["goes", None]})
        await until(lambda: len(told.reported) == 2)
        assert (await handle.query(names.STATUS))["ended"] is None
        await handle.signal(names.ENDED, EXCEPTED)
        assert (await handle.result()).state == "excepted"
    assert [one.item for one in told.reported] == [
        {"type": "make_purchase", "id": "p1"},
        {"anything": ["goes", None]},
    ]
    assert handle.id.split("/")[3] == told.reported[0].user_key


async def test_what_was_reported_in_time_is_taken_in_before_the_send(environment: WorkflowEnvironment) -> None:
    """Guarantee 3: a report that came while no worker was there is judged before the message is claimed."""
    told = FakeActivities(push=[SendOutcome(outcome="ended", state="excepted")])
    sent_at_the_report: list[int] = []

    async def note() -> None:
        sent_at_the_report.append(len(told.sent))

    told.on_report = note
    harness = WorkflowHarness(environment, told)
    handle = await harness.follow_up()
    await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
    async with harness.workers():
        assert (await handle.result()).state == "excepted"
    assert sent_at_the_report == [0]


async def test_what_is_reported_during_the_send_is_taken_in_too(environment: WorkflowEnvironment) -> None:
    """X1: late exceptions are noted, so intake must hear of them; the message stands."""
    told = FakeActivities(push=[SENT])
    told.may_send.clear()
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up()
        await until(lambda: told.sent)
        await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
        await until(lambda: told.reported)
        told.may_send.set()
        assert (await handle.result()).state == "sent"


@pytest.mark.parametrize("payload", ["not an object", 7, {"reason": "no state"}])
async def test_undecodable_signals_are_dropped(environment: WorkflowEnvironment, payload: Any) -> None:
    """A signal that nobody can read neither fails the workflow nor holds it up."""
    told = FakeActivities(push=[SENT])
    harness = WorkflowHarness(environment, told)
    handle = await harness.follow_up()
    await handle.signal(names.ENDED, payload)
    if not isinstance(payload, dict):
        await handle.signal(names.EXCEPTION, payload)
    async with harness.workers():
        assert (await handle.result()).state == "sent"
    assert told.reported == []


async def test_status_tells_what_it_waits_for(environment: WorkflowEnvironment) -> None:
    """An operator sees why it waits, until when, and later what ended it."""
    async with WorkflowHarness(environment, FakeActivities(push=[SENT])).workers() as harness:
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up(delay=timedelta(days=1))
        await until_event(handle, "TIMER_STARTED")
        assert list((await handle.query(names.STATUS))["waits"]) == ["schedule delay"]
        await handle.signal(names.ENDED, EXCEPTED)
        await handle.result()
        assert await handle.query(names.STATUS) == {"waits": {}, "sending": [], "ended": EXCEPTED.model_dump()}


async def test_operators_read_what_it_is_about(environment: WorkflowEnvironment) -> None:
    """In the UI: what it is, what its timer waits for, which channel its activity sends on, and how it ended."""
    async with WorkflowHarness(environment, FakeActivities(push=[SENT])).workers() as harness:
        handle = await harness.follow_up(delay=timedelta(hours=1))
        assert (await handle.result()).state == "sent"
        described = await handle.describe()
    summary, details = await described.static_summary(), await described.static_details()
    assert summary is not None
    assert " · due " in summary
    assert details is not None
    assert "push" in details
    events = (await handle.fetch_history()).events
    summaries = [event.user_metadata.summary.data.decode() for event in events if event.HasField("user_metadata")]
    assert '"schedule delay"' in summaries
    assert any("push" in told for told in summaries)
