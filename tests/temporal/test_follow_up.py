"""The FollowUp workflow on the real server with virtual time; activities that record in the place of the store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from connector import names
from connector.temporal import start_arguments
from connector.wire import Ended, FollowUpStart, ReportedException, SendOutcome, SendRequest
from workflows.follow_up import FollowUp

SENT = SendOutcome(outcome="sent", state="sent")


class Recorder:
    """Answers sends as told, channel by channel, and remembers what it was asked and when."""

    def __init__(self, **answers: list[SendOutcome]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, datetime]] = []
        self.reported: list[dict[str, Any]] = []

    @activity.defn(name=names.SEND)
    async def send(self, request: SendRequest) -> SendOutcome:
        self.asked.append((request.channel, activity.info().started_time))
        return self.answers[request.channel].pop(0)

    @activity.defn(name=names.REPORT_EXCEPTION)
    async def report_exception(self, reported: ReportedException) -> str:
        self.reported.append(reported.item)
        return "accepted"


class Running:
    """One workspace of its own with its workers."""

    def __init__(self, environment: WorkflowEnvironment, recorder: Recorder) -> None:
        self.environment, self.recorder = environment, recorder
        self.client: Client = environment.client
        self.workspace = f"w{uuid4().hex[:8]}"

    async def start(self, *, delay: timedelta, channels: tuple[str, ...] = ("push",)) -> WorkflowHandle[Any, Any]:
        start = FollowUpStart(
            workspace=self.workspace,
            follow_up_id=uuid4().hex,
            campaign="cart",
            user_key=uuid4().hex,
            due_at=datetime.now(UTC) + delay,  # noqa: TID251 - the test's own clock
            channels=channels,
        )
        return await self.client.start_workflow(names.FOLLOW_UP, start, result_type=str, **start_arguments(start))


@asynccontextmanager
async def running(environment: WorkflowEnvironment, recorder: Recorder) -> AsyncIterator[Running]:
    house = Running(environment, recorder)
    main = Worker(
        environment.client,
        task_queue=names.main_queue(house.workspace),
        workflows=[FollowUp],
        activities=[recorder.report_exception],
        debug_mode=True,
    )
    senders = [
        Worker(environment.client, task_queue=names.channel_queue(house.workspace, name), activities=[recorder.send])
        for name in recorder.answers
    ]
    async with main:
        for sender in senders:
            await sender.__aenter__()
        try:
            yield house
        finally:
            for sender in senders:
                await sender.__aexit__(None, None, None)


async def events_of(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """The kinds of the history's events, without virtual time's own."""
    kinds = [event.event_type for event in (await handle.fetch_history()).events]
    from temporalio.api.enums.v1 import EventType

    named = [EventType.Name(kind).removeprefix("EVENT_TYPE_") for kind in kinds]
    return [name for name in named if "TIME_SKIPPING" not in name]


async def state_of(handle: WorkflowHandle[Any, Any]) -> Any:
    attributes = (await handle.describe()).typed_search_attributes
    return {pair.key.name: pair.value for pair in attributes}[names.STATE_ATTRIBUTE]


async def test_sent_after_its_delay_within_seventeen_events(environment: WorkflowEnvironment) -> None:
    """D1: thirty days pass in virtual time; a sent single-channel follow-up costs at most 17 events."""
    recorder = Recorder(push=[SENT])
    async with running(environment, recorder) as house:
        handle = await house.start(delay=timedelta(days=30))
        began = (await handle.describe()).start_time
        assert await handle.result() == "sent"
    [(_, at)] = recorder.asked
    assert at - began >= timedelta(days=29, hours=23)
    assert len(await events_of(handle)) <= 17
    assert await state_of(handle) == "sent"


async def test_without_delay_sent_at_once(environment: WorkflowEnvironment) -> None:
    """D1: no delay, no timer."""
    async with running(environment, Recorder(push=[SENT])) as house:
        handle = await house.start(delay=timedelta(0))
        assert await handle.result() == "sent"
    assert "TIMER_STARTED" not in await events_of(handle)


async def test_ended_in_the_wait_within_twelve_events(environment: WorkflowEnvironment) -> None:
    """X4: the end is prompt, sends nothing and costs at most 12 events, the final state's upsert included."""
    recorder = Recorder(push=[SENT])
    async with running(environment, recorder) as house:
        with environment.with_time_skipping_disabled():
            handle = await house.start(delay=timedelta(days=1))
            await _waits(handle)
            await handle.signal(names.ENDED, Ended(state="excepted", reason="exception"))
            assert await handle.result() == "excepted"
    assert recorder.asked == []
    assert len(await events_of(handle)) <= 12
    assert await state_of(handle) == "excepted"


async def test_end_that_comes_before_the_first_task_counts(environment: WorkflowEnvironment) -> None:
    """A signal that meets the start, with the due time already past, still ends it."""
    recorder = Recorder(push=[SENT])
    house = Running(environment, recorder)
    handle = await house.start(delay=timedelta(0))
    await handle.signal(names.ENDED, Ended(state="dropped", reason="stopped"))
    main = Worker(house.client, task_queue=names.main_queue(house.workspace), workflows=[FollowUp], debug_mode=True)
    async with main:
        assert await handle.result() == "dropped"
    assert recorder.asked == []


async def test_held_is_judged_again_at_the_holds_end(environment: WorkflowEnvironment) -> None:
    """Case 17: held for quiet hours, then sent."""
    until = datetime.now(UTC) + timedelta(hours=9)  # noqa: TID251 - the test's own clock
    recorder = Recorder(push=[SendOutcome(outcome="held", until=until), SENT])
    async with running(environment, recorder) as house:
        handle = await house.start(delay=timedelta(hours=1))
        assert await handle.result() == "sent"
    first, second = (at for _, at in recorder.asked)
    assert second - first >= timedelta(hours=7, minutes=59)
    assert second >= until


async def test_ended_while_held(environment: WorkflowEnvironment) -> None:
    """X1: an exception while a message is held still counts."""
    until = datetime.now(UTC) + timedelta(hours=9)  # noqa: TID251 - the test's own clock
    recorder = Recorder(push=[SendOutcome(outcome="held", until=until), SENT])
    async with running(environment, recorder) as house:
        with environment.with_time_skipping_disabled():
            handle = await house.start(delay=timedelta(0))
            await _waits(handle)
            await handle.signal(names.ENDED, Ended(state="excepted", reason="exception"))
            assert await handle.result() == "excepted"
    assert len(recorder.asked) == 1


async def test_channels_are_judged_each_by_itself(environment: WorkflowEnvironment) -> None:
    """One channel is held, the other dropped, and the follow-up is sent."""
    until = datetime.now(UTC) + timedelta(hours=9)  # noqa: TID251 - the test's own clock
    recorder = Recorder(
        push=[SendOutcome(outcome="held", until=until), SENT],
        email=[SendOutcome(outcome="dropped", state="dropped", reason="unreachable")],
    )
    async with running(environment, recorder) as house:
        handle = await house.start(delay=timedelta(hours=1), channels=("push", "email"))
        assert await handle.result() == "sent"
    assert sorted(channel for channel, _ in recorder.asked) == ["email", "push", "push"]


async def test_newer_content_on_another_channel(environment: WorkflowEnvironment) -> None:
    """P10: the content is the newest live one, whatever its channels are."""
    recorder = Recorder(push=[SendOutcome(outcome="moved", channels=("email",))], email=[SENT])
    async with running(environment, recorder) as house:
        handle = await house.start(delay=timedelta(hours=1))
        assert await handle.result() == "sent"
    assert [channel for channel, _ in recorder.asked] == ["push", "email"]


async def test_signalled_interaction_goes_through_intake(environment: WorkflowEnvironment) -> None:
    """An `exception` signal is an interaction: intake is told, and the wait goes on unless intake ends it."""
    recorder = Recorder(push=[SENT])
    async with running(environment, recorder) as house:
        with environment.with_time_skipping_disabled():
            handle = await house.start(delay=timedelta(days=1))
            await _waits(handle)
            await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
            await handle.signal(names.EXCEPTION, {"anything": ["goes", None]})
            async with asyncio.timeout(10):
                while len(recorder.reported) < 2:
                    await asyncio.sleep(0.02)
            assert (await handle.query(names.STATUS))["ended"] is None
            await handle.signal(names.ENDED, Ended(state="excepted", reason="exception"))
            assert await handle.result() == "excepted"
    assert recorder.reported[0] == {"type": "make_purchase", "id": "p1"}


@pytest.mark.parametrize("payload", ["not an object", 7])
async def test_undecodable_signal_is_dropped(environment: WorkflowEnvironment, payload: Any) -> None:
    """A signal that nobody can read neither fails the workflow nor holds it up."""
    recorder = Recorder(push=[SENT])
    async with running(environment, recorder) as house:
        with environment.with_time_skipping_disabled():
            handle = await house.start(delay=timedelta(seconds=2))
            await handle.signal(names.ENDED, payload)
            assert await handle.result() == "sent"


async def _waits(handle: WorkflowHandle[Any, Any]) -> None:
    """Poll until its timer runs."""
    async with asyncio.timeout(10):
        while "TIMER_STARTED" not in await events_of(handle):
            await asyncio.sleep(0.02)
