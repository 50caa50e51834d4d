"""The activity of a launch as Temporal sees it: alive while providers are slow, and careful when it is called off."""

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from temporalio.testing import ActivityEnvironment

from connector.channels.protocol import OutgoingMessage
from connector.wire import LaunchPage
from tests.support.installation import Installation
from tests.support.launch_harness import NOW, LaunchHarness
from tests.support.polling import until


class Desk:
    """A launch's activity at work, with a provider that takes its time."""

    def __init__(self, harness: LaunchHarness, page: LaunchPage) -> None:
        self.harness, self.page = harness, page
        self.environment = ActivityEnvironment()
        self.environment.info = replace(self.environment.info, started_time=NOW)
        self.answer, self.asked = asyncio.Event(), asyncio.Event()
        self.beats = 0
        self.environment.on_heartbeat = self._beat
        harness.channel.meanwhile = self._wait

    def _beat(self, *_: Any) -> None:
        self.beats += 1

    async def _wait(self, _message: OutgoingMessage) -> None:
        self.asked.set()
        await self.answer.wait()

    def begin(self) -> asyncio.Task[Any]:
        return asyncio.create_task(self.environment.run(self.harness.launcher.launch_page, self.page))


@pytest.fixture
async def desk(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr("activities.heartbeats._INTERVAL_SECONDS", 0.01)
    harness = LaunchHarness(installation)
    await harness.crowd(12)
    await harness.publish()
    page = LaunchPage(workspace="default", launch_id=(await harness.row()).launch_id, campaign="o")
    return Desk(harness, page)


async def test_it_is_alive_while_a_provider_is_slow(desk: Desk) -> None:
    """Temporal would give a silent attempt up, and the next would take what is in its hands for lost."""
    running = desk.begin()
    await desk.asked.wait()
    before = desk.beats
    await until(lambda: desk.beats >= before + 3, "three heartbeats")
    desk.answer.set()
    step = await running
    assert (step.phase, step.progress.users) == ("ended", {"sent": 12})


async def test_called_off_it_hears_out_what_is_in_its_hands(desk: Desk) -> None:
    """Terminated or cancelled in the UI: what was handed over is written down, and nothing more is handed over."""
    running = desk.begin()
    await desk.asked.wait()
    desk.environment.cancel()
    await asyncio.sleep(0)
    desk.answer.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await desk.harness.states() == {("sent", None): 5, ("waiting", None): 7}
    assert Counter(desk.harness.channel.users).total() == 5


async def test_worker_told_to_stop_hands_nothing_more_over(desk: Desk) -> None:
    """A stop waits for the messages in hand only; the step says where the next worker goes on."""
    running = desk.begin()
    await desk.asked.wait()
    desk.environment.worker_shutdown()
    desk.answer.set()
    step = await running
    assert (step.phase, step.until, len(desk.harness.channel.users)) == ("sending", None, 5)
    desk.harness.page = step.next_page
    assert (await desk.harness.work(NOW)).phase == "ended"
    assert await desk.harness.states() == {("sent", None): 12}
