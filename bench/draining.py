"""Follow-ups drained from trigger to sent, against bare workflows with one timer and an activity that does nothing.

Both sides work twice: as everything is started, and again as everything falls due at one instant. The idle time in
between does not count.
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
from bench.figures import Figure, Sizes, figure
from bench.ground import Ground, follow_on, laid
from bench.progress import Progress
from connector.rules.model.reasons import State
from connector.settings.application import Settings
from connector.store.tables import follow_ups
from connector.temporal.outbox import Outbox
from worker import run_worker

_POLL_SECONDS = 0.05


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> Figure:
    """The connector's whole way with its real worker, and the bare way with a bare one, by turns."""
    wait = timedelta(seconds=2 + sizes.drains // 100)
    rounds = []
    async with laid(folder) as ground, _worker_of(ground, client):
        await ground.publish([follow_on("soon", event="go", delay=f"{wait.seconds} seconds")])
        for number in range(sizes.rounds):
            progress(f"draining, round {number + 1} of {sizes.rounds}")
            ours = await _drained_per_second(ground, client, sizes.drains, wait)
            rounds.append((ours, await _bare_drained_per_second(client, sizes.drains, wait)))
    return figure("drained, trigger to sent", "/s", "bare timer + activity", rounds, aim=0.75, better="higher")


class _Stopwatch:
    """Time without the idle part between having started everything and its falling due."""

    def __init__(self, wait: timedelta) -> None:
        self.began_at = datetime.now(UTC)  # noqa: TID251 - a measurement, not a rule
        self._begun, self._wait = perf_counter(), wait.total_seconds()
        self._all_started = 0.0

    def all_started(self) -> None:
        self._all_started = perf_counter() - self._begun

    def seconds(self) -> float:
        return perf_counter() - self._begun - max(0.0, self._wait - self._all_started)


async def _drained_per_second(ground: Ground, client: Client, count: int, wait: timedelta) -> float:
    users = await ground.invite(count)
    outbox = Outbox(ground.database, ground.workspace, client)
    before = await _count_sent(ground)
    watch = _Stopwatch(wait)
    await ground.trigger("go", users)
    while await outbox.flush():
        pass
    watch.all_started()
    while await _count_sent(ground) < before + count:  # noqa: ASYNC110 - it happens in the store, perhaps elsewhere
        await asyncio.sleep(_POLL_SECONDS)
    return count / watch.seconds()


async def _bare_drained_per_second(client: Client, count: int, wait: timedelta) -> float:
    queue = f"bench-bare-{uuid4()}"
    async with Worker(client, task_queue=queue, workflows=[bare.Bare], activities=[bare.nothing]):
        watch = _Stopwatch(wait)
        handles = await bare.start(client, count, due_at=watch.began_at + wait, task_queue=queue)
        watch.all_started()
        await bare.all_at_once(handles, bare.result, at_once=count)
        return count / watch.seconds()


async def _count_sent(ground: Ground) -> int:
    where = (follow_ups.c.workspace == ground.workspace, follow_ups.c.state == State.SENT.value)
    async with ground.database.read(ground.workspace) as tx:
        return (await tx.execute(select(func.count()).select_from(follow_ups).where(*where))).scalar_one()


@asynccontextmanager
async def _worker_of(ground: Ground, client: Client) -> AsyncIterator[None]:
    stopped = asyncio.Event()
    settings = Settings(workspace=ground.workspace, database_url=ground.url, dev=True)
    working = asyncio.create_task(run_worker(settings, stopped, client=client))
    try:
        yield
    finally:
        stopped.set()
        await working
