"""Follow-ups from trigger to sent per second, against bare workflows with a timer and an activity that does nothing.

Both sides are two processes: one that starts (the API that receives the triggers, the bench's loop), and a worker. Both
work twice: when everything is started, and when everything is due at one instant. The idle time in between does not
count.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import perf_counter

import httpx

from bench import bare
from bench.bare_worker import run_bare_worker
from bench.figures import Figure, Row, Sample, at_least
from bench.installation import Installation, open_installation
from bench.reporting import report
from bench.rounds import Bench
from bench.workspace import follow_on
from connector.rules.model.reasons import State

ROW = Row("drained, trigger to sent", "/s", "bare timer + activity", (at_least(0.85),))


async def measure(bench: Bench) -> list[Figure]:
    """Measure both in turn, each pair on a server of its own."""
    count = bench.sizes.drains
    wait = timedelta(seconds=2 + count // 100)

    async def measure_round(number: int) -> Sequence[Sample]:
        async with open_installation(bench) as installed:
            if number % 2:
                baseline = await _bare_drained_per_second(installed, count, wait, bench.sizes.warm_ups)
                ours = await _drained_per_second(installed, count, wait, bench.sizes.warm_ups)
            else:
                ours = await _drained_per_second(installed, count, wait, bench.sizes.warm_ups)
                baseline = await _bare_drained_per_second(installed, count, wait, bench.sizes.warm_ups)
        return [(ours, baseline)]

    return await bench.repeat("draining", [ROW], measure_round)


class _Stopwatch:
    """Measures time without the idle part between the last start and the due time."""

    def __init__(self, wait: timedelta) -> None:
        self.began_at = datetime.now(UTC)  # noqa: TID251 - a measurement, not a rule
        self._started_at, self._wait = perf_counter(), wait.total_seconds()
        self._start_seconds = 0.0

    def stop_starting(self) -> None:
        self._start_seconds = perf_counter() - self._started_at

    def seconds(self) -> float:
        return perf_counter() - self._started_at - max(0.0, self._wait - self._start_seconds)


async def _drained_per_second(installed: Installation, count: int, wait: timedelta, warm_ups: int) -> float:
    workspace = installed.workspace
    await workspace.publish(
        [follow_on("soon", event="go", delay=f"{wait.seconds} seconds"), follow_on("at-once", event="warm up")]
    )
    async with installed.run_worker(), installed.run_api() as api:
        await _send_at_once(installed, api, warm_ups)
        users = await workspace.create_users(count)
        watch = _Stopwatch(wait)
        await report(api, "go", users)
        await workspace.wait_for_outbox()
        watch.stop_starting()
        await workspace.wait_for("soon", State.SENT, count)
        return count / watch.seconds()


async def _send_at_once(installed: Installation, api: httpx.AsyncClient, count: int) -> None:
    """Send follow-ups before the clock runs, so that compilation and connections do not count."""
    await report(api, "warm up", await installed.workspace.create_users(count))
    await installed.workspace.wait_for("at-once", State.SENT, count)


async def _bare_drained_per_second(installed: Installation, count: int, wait: timedelta, warm_ups: int) -> float:
    client = installed.temporal
    async with run_bare_worker(client, installed.folder) as queue:
        now = datetime.now(UTC)  # noqa: TID251 - a measurement, not a rule
        await bare.wait_for_results(await bare.start(client, warm_ups, due_at=now, task_queue=queue))
        watch = _Stopwatch(wait)
        handles = await bare.start(client, count, due_at=watch.began_at + wait, task_queue=queue)
        watch.stop_starting()
        await bare.wait_for_results(handles)
        return count / watch.seconds()
