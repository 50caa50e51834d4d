"""Record the histories that tests/temporal/test_replay.py replays: `python -m tests.temporal.record_histories NAME …`.

Run it with the names of scenarios that are new; without a name it records all of them. Old histories stay as long as
workflows of their time may still run: a change that makes one of them fail needs `workflow.patched`, not a new
recording.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHandle, WorkflowHistory

from connector import names
from connector.rules.model.errors import OrderRefused
from connector.temporal.client import register_search_attributes
from connector.temporal.registry_client import submit_order
from connector.wire import FollowUpEnd, FollowUpMove, OperationResult, OperatorRequest, Postponement, SendOutcome
from tests.support.builders import now
from tests.support.polling import until
from tests.support.temporal_server import open_environment, until_event
from tests.support.workflow_harness import SENT, FakeActivities, WorkflowHarness, held

FOLDER = Path(__file__).with_name("histories")
EXCEPTED = FollowUpEnd(state="excepted", reason="exception")
UNREACHABLE = SendOutcome(outcome="dropped", state="dropped", reason="unreachable")
MOVED = SendOutcome(outcome="moved", channels=("email",))
Handle = WorkflowHandle[Any, Any]


async def sent_after_its_delay(harness: WorkflowHarness) -> Handle:
    return await harness.follow_up(delay=timedelta(days=30))


async def sent_at_once(harness: WorkflowHarness) -> Handle:
    return await harness.follow_up()


async def held_and_sent(harness: WorkflowHarness) -> Handle:
    harness.activities.answers["push"].insert(0, held(timedelta(hours=9)))
    return await harness.follow_up(delay=timedelta(hours=1))


async def moved_to_another_channel(harness: WorkflowHarness) -> Handle:
    harness.activities.answers["push"].insert(0, MOVED)
    return await harness.follow_up(delay=timedelta(hours=1))


async def sent_at_the_second_attempt(harness: WorkflowHarness) -> Handle:
    harness.activities.failures = 1
    return await harness.follow_up()


async def several_channels(harness: WorkflowHarness) -> Handle:
    harness.activities.answers["push"].insert(0, held(timedelta(hours=9)))
    return await harness.follow_up("push", "email", delay=timedelta(hours=1))


async def sent_on_one_of_two_channels(harness: WorkflowHarness) -> Handle:
    harness.activities.answers["push"].insert(0, UNREACHABLE)
    return await harness.follow_up("push", "email")


async def dropped_by_the_rules(harness: WorkflowHarness) -> Handle:
    harness.activities.answers["push"].insert(0, UNREACHABLE)
    return await harness.follow_up(delay=timedelta(hours=1))


async def excepted_in_the_wait(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    await handle.signal(names.ENDED, EXCEPTED)
    return handle


async def excepted_while_held(harness: WorkflowHarness) -> Handle:
    harness.activities.answers["push"].insert(0, held(timedelta(days=1)))
    with harness.environment.with_time_skipping_disabled():
        handle = await harness.follow_up()
    await until_event(handle, "TIMER_STARTED")
    await handle.signal(names.ENDED, EXCEPTED)
    return handle


async def moved_in_the_store(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    await handle.signal(names.MOVED, FollowUpMove(next_at=now() + timedelta(days=2)))
    await harness.environment.fast_forward(handle, timedelta(days=2))
    return handle


async def exception_reported_in_the_wait(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
    await until(lambda: harness.activities.reported)
    await handle.signal(names.ENDED, EXCEPTED)
    return handle


async def exception_reported_during_the_send(harness: WorkflowHarness) -> Handle:
    harness.activities.may_send.clear()
    handle = await harness.follow_up()
    await until(lambda: harness.activities.sent)
    await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
    await until(lambda: harness.activities.reported)
    harness.activities.may_send.set()
    return handle


async def signalled_what_is_no_object(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    for said in (5, ["make_purchase"], "make_purchase"):
        await handle.signal(names.EXCEPTION, said)
    await handle.signal(names.ENDED, EXCEPTED)
    return handle


async def sent_now_by_an_operator(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    await handle.execute_update(names.SEND_NOW)
    return handle


async def postponed_by_an_operator(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    for days in (3, 2):
        await handle.execute_update(names.POSTPONE, _in(timedelta(days=days)))
    await harness.environment.fast_forward(handle, timedelta(days=2))
    return handle


async def cancelled_by_an_operator(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    await handle.execute_update(names.CANCEL, OperatorRequest(note="sold out"))
    return handle


async def cancelled_by_request(harness: WorkflowHarness) -> Handle:
    handle = await _waiting(harness)
    await handle.cancel()
    return handle


async def cancel_refused_during_the_send(harness: WorkflowHarness) -> Handle:
    harness.activities.may_send.clear()
    harness.activities.refusal = OperationResult(done=False, says="a message of it is going out", state="sending")
    handle = await harness.follow_up()
    await until(lambda: harness.activities.sent)
    await handle.cancel()
    await until(lambda: harness.activities.operations)
    harness.activities.may_send.set()
    return handle


async def postponed_while_held_on_two_channels(harness: WorkflowHarness) -> Handle:
    for number, channel in enumerate(("push", "email"), 1):
        harness.activities.answers[channel].insert(0, held(timedelta(hours=number)))
    with harness.environment.with_time_skipping_disabled():
        handle = await harness.follow_up("push", "email")
    while len((await handle.query(names.STATUS))["waits"]) < 2:
        await asyncio.sleep(0.02)
    await handle.execute_update(names.POSTPONE, _in(timedelta(hours=9)))
    await harness.environment.fast_forward(handle, timedelta(hours=9))
    return handle


async def excepted_during_a_postponement(harness: WorkflowHarness) -> Handle:
    harness.activities.may_operate.clear()
    handle = await _waiting(harness)
    postponing = asyncio.create_task(handle.execute_update(names.POSTPONE, _in(timedelta(days=3))))
    await until(lambda: harness.activities.operations)
    await handle.signal(names.ENDED, EXCEPTED)
    harness.activities.may_operate.set()
    await postponing
    return handle


async def registry_that_has_grown_long(harness: WorkflowHarness) -> Handle:
    for number in range(3):
        await submit_order(harness.client, harness.order("publish", f"c{number}"))
    try:
        await submit_order(harness.client, harness.order("publish", "refuse-me"))
    except OrderRefused:
        await submit_order(harness.client, harness.order("stop", "c0", "c1"))
    first = (await harness.registry.describe()).run_id
    while (await harness.registry.describe()).run_id == first:
        await submit_order(harness.client, harness.order("resume", "c0"))
    return harness.client.get_workflow_handle(harness.registry.id, run_id=first)


async def registry_in_its_second_run(harness: WorkflowHarness) -> Handle:
    await registry_that_has_grown_long(harness)
    await submit_order(harness.client, harness.order("archive", "c0"))
    await until(lambda: ("c0",) in harness.activities.ended)
    second = (await harness.registry.describe()).run_id
    await harness.registry.terminate()
    return harness.client.get_workflow_handle(harness.registry.id, run_id=second)


async def launched_after_a_pause(harness: WorkflowHarness) -> Handle:
    step = harness.launch_step
    harness.activities.steps = [
        step("waits", timedelta(days=1)),
        step("enrolling", waiting=2),
        step("sending", timedelta(minutes=1), waiting=1, sent=1),
        step("paused", waiting=1, sent=1),
        step("sending", waiting=1, sent=1),
        step("ended", sent=2),
    ]
    handle = await harness.launch()
    await until(lambda: len(harness.activities.steps) == 2)
    await handle.signal(names.LOOK)
    return handle


async def launch_that_has_grown_long(harness: WorkflowHarness) -> Handle:
    harness.activities.steps = [harness.launch_step("sending", waiting=n) for n in range(12, 0, -1)]
    handle = await harness.launch()
    return harness.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)


SCENARIOS: tuple[Callable[[WorkflowHarness], Awaitable[Handle]], ...] = (
    sent_after_its_delay,
    sent_at_once,
    held_and_sent,
    moved_to_another_channel,
    sent_at_the_second_attempt,
    several_channels,
    sent_on_one_of_two_channels,
    dropped_by_the_rules,
    excepted_in_the_wait,
    excepted_while_held,
    exception_reported_in_the_wait,
    exception_reported_during_the_send,
    signalled_what_is_no_object,
    sent_now_by_an_operator,
    postponed_by_an_operator,
    cancelled_by_an_operator,
    cancelled_by_request,
    cancel_refused_during_the_send,
    postponed_while_held_on_two_channels,
    excepted_during_a_postponement,
    moved_in_the_store,
    registry_that_has_grown_long,
    registry_in_its_second_run,
    launched_after_a_pause,
    launch_that_has_grown_long,
)


async def _waiting(harness: WorkflowHarness) -> Handle:
    """A follow-up whose timer runs in real time."""
    with harness.environment.with_time_skipping_disabled():
        handle = await harness.follow_up(delay=timedelta(days=1))
    await until_event(handle, "TIMER_STARTED")
    return handle


def _in(delay: timedelta) -> Postponement:
    return Postponement(until=(now() + delay).isoformat())


async def _closed(handle: Handle) -> WorkflowHistory:
    async with asyncio.timeout(30):
        while (await handle.describe()).close_time is None:
            await asyncio.sleep(0.05)
    return await handle.fetch_history()


def _without_places(recorded: Any) -> Any:
    """The history without stack traces, which name this machine's folders."""
    if isinstance(recorded, dict):
        return {key: _without_places(value) for key, value in recorded.items() if key != "stackTrace"}
    return [_without_places(value) for value in recorded] if isinstance(recorded, list) else recorded


async def main() -> None:
    """Play every scenario and write its history."""
    FOLDER.mkdir(exist_ok=True)
    async with await open_environment(identity="recorder") as environment:
        await register_search_attributes(environment.client)
        for scenario in [one for one in SCENARIOS if one.__name__ in sys.argv[1:] or not sys.argv[1:]]:
            activities = FakeActivities(push=[SENT], email=[SENT])
            async with WorkflowHarness(environment, activities).workers() as harness:
                history = await _closed(await scenario(harness))
            path = FOLDER / f"{scenario.__name__}.json"
            path.write_text(json.dumps(_without_places(json.loads(history.to_json())), indent=1) + "\n")
            print(f"{path.name}: {len(history.events)} events")


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK sometimes aborts in the interpreter's own end on CPython 3.11
