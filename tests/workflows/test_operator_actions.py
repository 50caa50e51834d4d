"""Operators' hands on one follow-up: its updates and Temporal's cancel request, on the real server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import (
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateStage,
)
from temporalio.exceptions import CancelledError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.wire import FollowUpEnd, FollowUpMove, OperationResult, OperatorRequest, Postponement, SendOutcome
from tests.support.builders import now
from tests.support.polling import until
from tests.support.temporal_server import events_of, state_of, until_event
from tests.support.workflow_harness import SENT, FakeActivities, WorkflowHarness, held

Handle = WorkflowHandle[Any, Any]
EXCEPTED = FollowUpEnd(state="excepted", reason="exception")
DAY = timedelta(days=1)


@asynccontextmanager
async def waiting(environment: WorkflowEnvironment, told: FakeActivities, *channels: str) -> AsyncIterator[Handle]:
    """A follow-up that waits for a day, in real time."""
    async with WorkflowHarness(environment, told).workers() as harness:
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up(*channels, delay=DAY)
        await until_event(handle, "TIMER_STARTED")
        yield handle


async def ask(handle: Handle, verb: str, *asked: Any) -> OperationResult:
    operated: OperationResult = await handle.execute_update(verb, *asked, result_type=OperationResult)
    return operated


def later(delay: timedelta, note: str | None = None) -> Postponement:
    return Postponement(until=(now() + delay).isoformat(), note=note)


async def details(handle: Handle) -> str:
    """What the UI shows of a workflow that runs or has ended."""
    metadata = await handle.query("__temporal_workflow_metadata")
    return str(metadata.current_details)


async def refusal(handle: Handle, verb: str, *asked: Any) -> str:
    """The words of an update that fails."""
    with pytest.raises(WorkflowUpdateFailedError) as failed:
        await ask(handle, verb, *asked)
    cause = failed.value.cause
    return f"{cause} {cause.__cause__ or ''}"


async def test_send_now_sends_at_once(environment: WorkflowEnvironment) -> None:
    """Issue 3.9: it waits no longer, and the row is moved first; the input may be left out."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        operated = await ask(handle, names.SEND_NOW)
        assert (operated.done, operated.state) == (True, "waiting")
        assert (await handle.result()).state == "sent"
    assert [one.verb for one in told.operations] == ["send_now"]
    assert len(told.sent) == 1


async def test_send_now_may_be_held_by_a_rule(environment: WorkflowEnvironment) -> None:
    """Every rule of the due time still applies: quiet hours hold it, and it goes out at their end."""
    hold = held(timedelta(hours=9))
    told = FakeActivities(push=[hold, SENT])
    async with waiting(environment, told) as handle:
        await ask(handle, names.SEND_NOW, OperatorRequest(note="the fair begins today"))
        await until(lambda: told.sent)
        assert list((await handle.query(names.STATUS))["waits"]) == ["push is held"]
        assert "An operator has it sent now: the fair begins today" in await details(handle)
        await environment.fast_forward(handle, timedelta(hours=9))
        assert (await handle.result()).state == "sent"
    assert len(told.sent) == 2


async def test_postponed_waits_for_its_new_time(environment: WorkflowEnvironment) -> None:
    """The timer moves, later as well as earlier; the UI says so."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        began = now()
        operated = await ask(handle, names.POSTPONE, later(timedelta(days=9), "wait for\nthe new stock"))
        assert (await handle.query(names.STATUS))["waits"] == {"schedule delay": _json(operated.next_at)}
        assert "the new stock" in await details(handle)
        assert "postponed it to" in await details(handle)
        await ask(handle, names.POSTPONE, later(timedelta(days=5)))
        await environment.fast_forward(handle, timedelta(days=4))
        assert told.sent == []
        await environment.fast_forward(handle, timedelta(days=2))
        assert (await handle.result()).state == "sent"
    [(_, at)] = told.sent
    assert timedelta(days=5) <= at - began + timedelta(seconds=1) < timedelta(days=6)


async def test_moved_in_the_store_waits_for_its_new_time(environment: WorkflowEnvironment) -> None:
    """The outbox's signal moves the timer, later as well as earlier, and asks the store nothing."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        began = now()
        for days in (9, 5):
            await handle.signal(names.MOVED, FollowUpMove(next_at=began + timedelta(days=days)))
        await environment.fast_forward(handle, timedelta(days=4))
        assert told.sent == []
        await environment.fast_forward(handle, timedelta(days=2))
        assert (await handle.result()).state == "sent"
    assert told.operations == []
    [(_, at)] = told.sent
    assert timedelta(days=5) <= at - began + timedelta(seconds=1) < timedelta(days=6)


def _json(instant: datetime | None) -> str:
    assert instant is not None
    return instant.isoformat().replace("+00:00", "Z")


async def test_cancelled_ends_unsent(environment: WorkflowEnvironment) -> None:
    """It ends as dropped, promptly; the reason stands in the details."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        operated = await ask(handle, names.CANCEL)
        assert (operated.state, operated.reason) == ("dropped", "cancelled_by_operator")
        assert (await handle.result()).state == "dropped"
        assert (await handle.query(names.STATUS))["ended"]["reason"] == "cancelled_by_operator"
        assert "Ended: dropped (cancelled_by_operator)." in await details(handle)
        assert await state_of(handle) == "dropped"
    assert told.sent == []


@pytest.mark.parametrize(
    ("verb", "asked", "words"),
    [
        (names.POSTPONE, (), "say until when"),
        (names.POSTPONE, ({},), "say until when"),
        (names.POSTPONE, ({"until": "tomorrow"},), "'tomorrow' is not a time"),
        (names.POSTPONE, ({"until": "2096-03-02T09:00:00"},), "zone"),
        (
            names.POSTPONE,
            ({"until": "2026-03-02T09:00:00Z", "note": None},),
            "has passed; to send it at once, use send_now",
        ),
        (names.POSTPONE, ({"until": "2096-03-02T09:00:00+01:00"},), "more than two years ahead"),
        (names.POSTPONE, ("tomorrow",), "Failed decoding arguments"),
        (names.SEND_NOW, ({"note": "x" * 201},), "at most 200 characters"),
        (names.CANCEL, ({"note": 7},), "valid string"),
        ("cancle", (), "cancel"),
    ],
)
async def test_wrong_words_are_refused_without_a_trace(
    environment: WorkflowEnvironment, verb: str, asked: tuple[Any, ...], words: str
) -> None:
    """What the validator refuses says what would be right, leaves no event, and changes nothing."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        before = await events_of(handle)
        assert words in await refusal(handle, verb, *asked)
        assert await events_of(handle) == before
        await handle.signal(names.ENDED, EXCEPTED)
        assert (await handle.result()).state == "excepted"
    assert told.operations == []


async def test_what_the_store_refuses_fails_the_update_only(environment: WorkflowEnvironment) -> None:
    """The row is the truth: something of it has gone out, so it goes on waiting for the rest."""
    told = FakeActivities(push=[SENT])
    told.refusal = OperationResult(done=False, says="a message of it has gone out", state="sending")
    async with waiting(environment, told) as handle:
        for verb, asked in ((names.CANCEL, ()), (names.SEND_NOW, ()), (names.POSTPONE, (later(DAY * 3),))):
            assert "a message of it has gone out" in await refusal(handle, verb, *asked)
        assert (await handle.query(names.STATUS))["ended"] is None
        await handle.signal(names.ENDED, EXCEPTED)
        await handle.result()


async def test_end_that_the_store_knows_and_the_workflow_does_not(environment: WorkflowEnvironment) -> None:
    """An exception was taken in and its signal is still under way: refused, and it ends at once as the row says."""
    told = FakeActivities(push=[SENT])
    told.refusal = OperationResult(
        done=False, says="it has ended: excepted (exception)", state="excepted", reason="exception"
    )
    async with waiting(environment, told) as handle:
        assert "excepted" in await refusal(handle, names.POSTPONE, later(DAY * 3))
        assert (await handle.result()).state == "excepted"
    assert told.sent == []


async def test_exception_in_the_middle_of_a_postponement(environment: WorkflowEnvironment) -> None:
    """X1: it stays called off; the update gets its answer before the workflow ends."""
    told = FakeActivities(push=[SENT])
    told.may_operate.clear()
    async with waiting(environment, told) as handle:
        asking = asyncio.create_task(ask(handle, names.POSTPONE, later(DAY * 3)))
        await until(lambda: told.operations)
        await handle.signal(names.ENDED, EXCEPTED)
        told.may_operate.set()
        assert (await asking).done
        assert (await handle.result()).state == "excepted"
    assert told.sent == []


async def test_due_in_the_middle_of_a_postponement(environment: WorkflowEnvironment) -> None:
    """While it is not certain what an operator's hand changed, nothing is sent: the new time holds."""
    told = FakeActivities(push=[SENT])
    told.may_operate.clear()
    async with WorkflowHarness(environment, told).workers() as harness:
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up(delay=timedelta(seconds=6))  # a busy machine needs some for the first task
        await until_event(handle, "TIMER_STARTED")
        asking = asyncio.create_task(ask(handle, names.POSTPONE, later(DAY)))
        await until_event(handle, "TIMER_FIRED")
        assert told.sent == []
        told.may_operate.set()
        await asking
        assert told.sent == []
        await environment.fast_forward(handle, DAY)
        assert (await handle.result()).state == "sent"
    assert len(told.sent) == 1


async def test_two_hands_at_once(environment: WorkflowEnvironment) -> None:
    """One after the other, in the order in which they came: what follows a cancel is told that it has ended."""
    told = FakeActivities(push=[SENT])
    told.may_operate.clear()
    async with waiting(environment, told) as handle:
        first = asyncio.create_task(ask(handle, names.CANCEL))
        await until(lambda: told.operations)
        second = await handle.start_update(
            names.SEND_NOW, wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=OperationResult
        )
        told.may_operate.set()
        assert (await first).state == "dropped"
        with pytest.raises(WorkflowUpdateFailedError) as failed:
            await second.result()
        assert "it has ended: dropped (cancelled_by_operator)" in str(failed.value.cause)
        assert (await handle.result()).state == "dropped"
    assert [one.verb for one in told.operations] == ["cancel"]


async def test_same_update_again_changes_nothing(environment: WorkflowEnvironment) -> None:
    """A repeated command with its id gets the first one's answer."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        asked = later(DAY * 3)
        name = uuid4().hex
        answers = [
            await handle.execute_update(names.POSTPONE, asked, id=name, result_type=OperationResult) for _ in range(2)
        ]
        assert answers[0] == answers[1]
        await handle.signal(names.ENDED, EXCEPTED)
        await handle.result()
    assert len(told.operations) == 1


@pytest.mark.parametrize("verb", [names.SEND_NOW, names.POSTPONE, names.CANCEL])
async def test_held_on_several_channels(environment: WorkflowEnvironment, verb: str) -> None:
    """All channels that are held follow the hand, whatever instants they were held till."""
    told = FakeActivities(
        push=[held(timedelta(hours=2)), SENT],
        sms=[held(timedelta(hours=9)), SENT],
        email=[held(timedelta(hours=4)), SENT],
    )
    async with WorkflowHarness(environment, told).workers() as harness:
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up("push", "sms", "email")
        await until(lambda: len(told.sent) == 3)
        await _until_waits(handle, 3)
        began = now()
        operated = await ask(handle, verb, *([later(timedelta(hours=6))] if verb == names.POSTPONE else []))
        if verb == names.POSTPONE:
            waits = (await handle.query(names.STATUS))["waits"]
            assert set(waits.values()) == {_json(operated.next_at)}
            await environment.fast_forward(handle, timedelta(hours=6))
        assert (await handle.result()).state == ("dropped" if verb == names.CANCEL else "sent")
    again = told.sent[3:]
    assert sorted(channel for channel, _ in again) == ([] if verb == names.CANCEL else ["email", "push", "sms"])
    waited = {names.SEND_NOW: timedelta(0), names.POSTPONE: timedelta(hours=6)}.get(verb, timedelta(0))
    assert all(waited - timedelta(seconds=2) <= at - began < waited + timedelta(hours=1) for _, at in again)


async def _until_waits(handle: Handle, number: int) -> None:
    async def has_them() -> bool:
        return len((await handle.query(names.STATUS))["waits"]) >= number

    await until(has_them, f"{number} waits")


async def test_while_a_message_is_sent(environment: WorkflowEnvironment) -> None:
    """Neither postponed nor sent twice, which leaves no trace; a cancel is the store's to judge."""
    told = FakeActivities(push=[SENT])
    told.refusal = OperationResult(done=False, says="a message of it is going out", state="sending")
    told.may_send.clear()
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up()
        await until(lambda: told.sent)
        before = await events_of(handle)
        assert "it is being sent (push)" in await refusal(handle, names.POSTPONE, later(DAY))
        assert "it is being sent (push)" in await refusal(handle, names.SEND_NOW)
        assert await events_of(handle) == before
        assert "a message of it is going out" in await refusal(handle, names.CANCEL)
        told.may_send.set()
        assert (await handle.result()).state == "sent"


async def test_cancelled_between_two_attempts(environment: WorkflowEnvironment) -> None:
    """Nothing is claimed while the provider is away: the row ends, and the next attempt finds it so."""
    told = FakeActivities(push=[SendOutcome(outcome="ended", state="dropped", reason="cancelled_by_operator")])
    told.failures = 1
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up()
        await until(lambda: told.sent)
        assert (await ask(handle, names.CANCEL)).reason == "cancelled_by_operator"
        assert (await handle.result()).state == "dropped"
    assert len(told.sent) == 2


async def test_before_the_first_task(environment: WorkflowEnvironment) -> None:
    """An update that meets the start, with the due time already past, comes before the send."""
    told = FakeActivities(push=[SENT])
    async with WorkflowHarness(environment, told).workers() as harness:
        start = harness.follow_up_to_update()
        asked = harness.client.execute_update_with_start_workflow(
            names.CANCEL, start_workflow_operation=start, result_type=OperationResult
        )
        assert (await asked).state == "dropped"
        assert (await (await start.workflow_handle()).result()).state == "dropped"
    assert told.sent == []


async def test_after_the_end(environment: WorkflowEnvironment) -> None:
    """A workflow that has ended takes no update; clients look into the store for what became of it."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        await handle.signal(names.ENDED, EXCEPTED)
        await handle.result()
        with pytest.raises(RPCError) as gone:
            await ask(handle, names.SEND_NOW)
        assert gone.value.status is RPCStatusCode.NOT_FOUND


async def test_worker_gone_in_the_middle(environment: WorkflowEnvironment) -> None:
    """The update was accepted: another worker goes on with it, and the caller gets the answer."""
    told = FakeActivities(push=[SENT])
    harness = WorkflowHarness(environment, told)
    async with harness.workers():
        with environment.with_time_skipping_disabled():
            handle = await harness.follow_up(delay=DAY)
        await until_event(handle, "TIMER_STARTED")
        postponing = await handle.start_update(
            names.POSTPONE, later(DAY * 2), wait_for_stage=WorkflowUpdateStage.ACCEPTED, result_type=OperationResult
        )
    async with harness.workers():
        assert (await postponing.result()).done
        assert (await ask(handle, names.CANCEL)).done
        assert (await handle.result()).state == "dropped"


async def test_cancel_request_ends_it_too(environment: WorkflowEnvironment) -> None:
    """The UI's Cancel and `temporal workflow cancel` are an operator's hand: the row ends, the workflow is Canceled."""
    told = FakeActivities(push=[SENT])
    async with waiting(environment, told) as handle:
        await handle.cancel()
        with pytest.raises(WorkflowFailureError) as ended:
            await handle.result()
        assert isinstance(ended.value.cause, CancelledError)
        assert (await handle.describe()).status is WorkflowExecutionStatus.CANCELED
        assert await state_of(handle) == "dropped"
        assert "Ended: dropped (cancelled_by_operator)." in await details(handle)
    assert [one.verb for one in told.operations] == ["cancel"]
    assert told.sent == []


async def test_cancel_request_before_the_first_task(environment: WorkflowEnvironment) -> None:
    """It meets the start of a follow-up that is due already: nothing is sent."""
    told = FakeActivities(push=[SENT])
    harness = WorkflowHarness(environment, told)
    handle = await harness.follow_up()
    await handle.cancel()
    async with harness.workers():
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    assert told.sent == []
    assert [one.verb for one in told.operations] == ["cancel"]


async def test_cancel_request_during_a_send(environment: WorkflowEnvironment) -> None:
    """A message that is going out is not torn off: the request is refused by the store, and it ends as sent."""
    told = FakeActivities(push=[SENT])
    told.refusal = OperationResult(done=False, says="a message of it is going out", state="sending")
    told.may_send.clear()
    async with WorkflowHarness(environment, told).workers() as harness:
        handle = await harness.follow_up()
        await until(lambda: told.sent)
        await handle.cancel()
        await until(lambda: told.operations)
        told.may_send.set()
        assert (await handle.result()).state == "sent"
    assert "ACTIVITY_TASK_CANCEL_REQUESTED" not in await events_of(handle)
