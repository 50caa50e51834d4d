"""Record the histories that tests/temporal/test_replay.py replays: `python -m tests.temporal.record_histories`.

Run it when a scenario is new. Old histories stay as long as workflows of their time may still run: a change that makes
one of them fail needs `workflow.patched`, not a new recording.
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
from connector.registry_client import give_order
from connector.rules.errors import OrderRefused
from connector.temporal import register_search_attributes
from connector.wire import Ended, SendOutcome
from tests.temporal.stage import SENT, Activities, Stage, held, open_environment, until, until_event

FOLDER = Path(__file__).with_name("histories")
EXCEPTED = Ended(state="excepted", reason="exception")
MOVED = SendOutcome(outcome="moved", channels=("email",))
Handle = WorkflowHandle[Any, Any]


async def sent_after_its_delay(stage: Stage) -> Handle:
    return await stage.follow_up(delay=timedelta(days=30))


async def sent_at_once(stage: Stage) -> Handle:
    return await stage.follow_up()


async def held_and_sent(stage: Stage) -> Handle:
    stage.activities.answers["push"].insert(0, held(timedelta(hours=9)))
    return await stage.follow_up(delay=timedelta(hours=1))


async def moved_to_another_channel(stage: Stage) -> Handle:
    stage.activities.answers["push"].insert(0, MOVED)
    return await stage.follow_up(delay=timedelta(hours=1))


async def sent_at_the_second_attempt(stage: Stage) -> Handle:
    stage.activities.failures = 1
    return await stage.follow_up()


async def several_channels(stage: Stage) -> Handle:
    stage.activities.answers["push"].insert(0, held(timedelta(hours=9)))
    return await stage.follow_up("push", "email", delay=timedelta(hours=1))


async def excepted_in_the_wait(stage: Stage) -> Handle:
    handle = await _waiting(stage)
    await handle.signal(names.ENDED, EXCEPTED)
    return handle


async def excepted_while_held(stage: Stage) -> Handle:
    stage.activities.answers["push"].insert(0, held(timedelta(days=1)))
    with stage.environment.with_time_skipping_disabled():
        handle = await stage.follow_up()
    await until_event(handle, "TIMER_STARTED")
    await handle.signal(names.ENDED, EXCEPTED)
    return handle


async def exception_reported_in_the_wait(stage: Stage) -> Handle:
    handle = await _waiting(stage)
    await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
    await until(lambda: stage.activities.reported)
    await handle.signal(names.ENDED, EXCEPTED)
    return handle


async def exception_reported_during_the_send(stage: Stage) -> Handle:
    stage.activities.may_send.clear()
    handle = await stage.follow_up()
    await until(lambda: stage.activities.sent)
    await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
    await until(lambda: stage.activities.reported)
    stage.activities.may_send.set()
    return handle


async def registry_that_has_grown_long(stage: Stage) -> Handle:
    for number in range(3):
        await give_order(stage.client, stage.order("publish", f"c{number}"))
    try:
        await give_order(stage.client, stage.order("publish", "refuse-me"))
    except OrderRefused:
        await give_order(stage.client, stage.order("stop", "c0", "c1"))
    first = (await stage.registry.describe()).run_id
    while (await stage.registry.describe()).run_id == first:
        await give_order(stage.client, stage.order("resume", "c0"))
    return stage.client.get_workflow_handle(stage.registry.id, run_id=first)


async def registry_in_its_second_run(stage: Stage) -> Handle:
    await registry_that_has_grown_long(stage)
    await give_order(stage.client, stage.order("archive", "c0"))
    await until(lambda: ("c0",) in stage.activities.ended)
    second = (await stage.registry.describe()).run_id
    await stage.registry.terminate()
    return stage.client.get_workflow_handle(stage.registry.id, run_id=second)


SCENARIOS: tuple[Callable[[Stage], Awaitable[Handle]], ...] = (
    sent_after_its_delay,
    sent_at_once,
    held_and_sent,
    moved_to_another_channel,
    sent_at_the_second_attempt,
    several_channels,
    excepted_in_the_wait,
    excepted_while_held,
    exception_reported_in_the_wait,
    exception_reported_during_the_send,
    registry_that_has_grown_long,
    registry_in_its_second_run,
)


async def _waiting(stage: Stage) -> Handle:
    """A follow-up whose timer runs in real time."""
    with stage.environment.with_time_skipping_disabled():
        handle = await stage.follow_up(delay=timedelta(days=1))
    await until_event(handle, "TIMER_STARTED")
    return handle


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
        for scenario in SCENARIOS:
            activities = Activities(push=[SENT], email=[SENT])
            async with Stage(environment, activities).workers() as stage:
                history = await _closed(await scenario(stage))
            path = FOLDER / f"{scenario.__name__}.json"
            path.write_text(json.dumps(_without_places(json.loads(history.to_json())), indent=1) + "\n")
            print(f"{path.name}: {len(history.events)} events")


if __name__ == "__main__":
    asyncio.run(main())
    sys.stdout.flush()
    os._exit(0)  # the SDK sometimes aborts in the interpreter's own end on CPython 3.11
