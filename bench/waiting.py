"""A worker's memory with many waiting follow-ups, against few: the same process, measured twice."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from bench.figures import Figure, Sizes, figure
from bench.ground import Ground, follow_on, laid
from bench.progress import Progress
from connector import names
from connector.temporal.outbox import Outbox

_ROOT = Path(__file__).parent.parent
_AT_A_TIME = 1000
_QUIET_LOOKS = 5


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> Figure:
    """Begin the few, look at the worker's resident memory, begin the rest, look again."""
    async with laid(folder) as ground:
        await ground.publish([follow_on("far", event="go", delay="30 days")])
        async with _worker_process(ground, client, folder) as process:
            progress(f"waiting: the first {sizes.few_waiting:,}")
            few = await _resident_with(ground, client, process, sizes.few_waiting)
            progress(f"waiting: up to {sizes.many_waiting:,}")
            many = await _resident_with(ground, client, process, sizes.many_waiting - sizes.few_waiting)
    name = f"worker memory, {sizes.many_waiting:,} waiting"
    return figure(name, "MiB", f"{sizes.few_waiting:,} waiting", [(many, few)], aim=1.1, better="lower")


async def _resident_with(ground: Ground, client: Client, process: Process, more: int) -> float:
    outbox = Outbox(ground.database, ground.workspace, client)
    for start in range(0, more, _AT_A_TIME):
        await ground.trigger("go", [f"u-{os.urandom(8).hex()}" for _ in range(min(_AT_A_TIME, more - start))])
        while await outbox.flush():
            pass
    await _all_taken(client, names.main_queue(ground.workspace))
    return _resident_mebibytes(process.pid)


async def _all_taken(client: Client, queue: str) -> None:
    """Until the server says some times in a row that no workflow task waits for the worker."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        report_stats=True,
    )
    quiet = 0
    while quiet < _QUIET_LOOKS:
        await asyncio.sleep(0.2)
        answer = await client.workflow_service.describe_task_queue(request)
        quiet = 0 if answer.stats.approximate_backlog_count else quiet + 1


def _resident_mebibytes(pid: int) -> float:
    """The process's resident memory as `ps` tells it, in KiB on Linux and macOS alike."""
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True)
    return int(told.stdout) / 1024


@asynccontextmanager
async def _worker_process(ground: Ground, client: Client, folder: Path) -> AsyncIterator[Process]:
    environment = {
        "CONNECTOR_WORKSPACE": ground.workspace,
        "CONNECTOR_DATABASE_URL": ground.url,
        "TEMPORAL_ADDRESS": client.service_client.config.target_host,
        "TEMPORAL_NAMESPACE": client.namespace,
    }
    with (folder / "worker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "worker.py", cwd=_ROOT, env=os.environ | environment, stdout=log, stderr=log
        )
    try:
        yield process
        if process.returncode is not None:
            raise RuntimeError(f"the worker ended by itself:\n{(folder / 'worker.log').read_text()[-2000:]}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
