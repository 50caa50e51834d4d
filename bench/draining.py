"""Follow-ups from trigger to sent per second, against bare workflows with a timer and an activity that does nothing.

Both sides work twice: when everything is started, and when everything is due at one instant. The idle time in between
does not count.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from uuid import uuid4

from sqlalchemy import func, select
from temporalio.client import Client
from temporalio.worker import Worker

from bench import bare
from bench.environment import BenchWorkspace, follow_on, open_workspace
from bench.figures import Figure, Progress, Sizes, figure
from connector.rules.model.reasons import State
from connector.store.tables import follow_ups
from worker import run_worker

_POLL_SECONDS = 0.05


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> Figure:
    """Measure the connector with its real worker, and bare workflows with a bare worker, in turn."""
    wait = timedelta(seconds=2 + sizes.drains // 100)
    rounds = []
    async with open_workspace(folder, client) as workspace, _run_worker(workspace, client):
        await workspace.publish([follow_on("soon", event="go", delay=f"{wait.seconds} seconds")])
        for number in range(sizes.rounds):
            progress(f"draining, round {number + 1} of {sizes.rounds}")
            ours = await _drained_per_second(workspace, sizes.drains, wait)
            rounds.append((ours, await _bare_drained_per_second(client, sizes.drains, wait)))
    return figure("drained, trigger to sent", "/s", "bare timer + activity", rounds, aim=0.75, better="higher")


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


async def _drained_per_second(workspace: BenchWorkspace, count: int, wait: timedelta) -> float:
    users = await workspace.create_users(count)
    before = await _count_sent(workspace)
    watch = _Stopwatch(wait)
    await workspace.report("go", users)
    while await workspace.context.outbox.flush():
        pass
    watch.stop_starting()
    while await _count_sent(workspace) < before + count:  # noqa: ASYNC110 - the worker writes to the store
        await asyncio.sleep(_POLL_SECONDS)
    return count / watch.seconds()


async def _bare_drained_per_second(client: Client, count: int, wait: timedelta) -> float:
    queue = f"bench-bare-{uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[bare.BareWorkflow], activities=[bare.nothing]):
        watch = _Stopwatch(wait)
        handles = await bare.start(client, count, due_at=watch.began_at + wait, task_queue=queue)
        watch.stop_starting()
        await bare.call_for_each(handles, bare.wait_for_result, at_once=count)
        return count / watch.seconds()


async def _count_sent(workspace: BenchWorkspace) -> int:
    where = (follow_ups.c.workspace == workspace.id, follow_ups.c.state == State.SENT.value)
    async with workspace.database.read(workspace.id) as tx:
        return (await tx.execute(select(func.count()).select_from(follow_ups).where(*where))).scalar_one()


@asynccontextmanager
async def _run_worker(workspace: BenchWorkspace, client: Client) -> AsyncIterator[None]:
    stopped = asyncio.Event()
    worker = asyncio.create_task(run_worker(workspace.context.settings, stopped, client=client))
    try:
        yield
    finally:
        stopped.set()
        await worker
