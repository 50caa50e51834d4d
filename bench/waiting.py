"""Memory of a worker with many waiting follow-ups, against few: the same process, measured twice."""

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

from bench.environment import BenchWorkspace, follow_on, open_workspace
from bench.figures import Figure, Progress, Sizes, figure
from connector import names

_ROOT = Path(__file__).parent.parent
_FOLLOW_UPS_PER_STEP = 1000
_EMPTY_POLLS = 5


async def measure(sizes: Sizes, folder: Path, client: Client, progress: Progress) -> Figure:
    """Measure the resident memory of a worker after the first follow-ups, and again after the others."""
    async with open_workspace(folder, client) as workspace:
        await workspace.publish([follow_on("far", event="go", delay="30 days")])
        async with _run_worker(workspace, client, folder) as process:
            progress(f"waiting: the first {sizes.few_waiting:,}")
            few = await _mebibytes_with(workspace, client, process, sizes.few_waiting)
            progress(f"waiting: up to {sizes.many_waiting:,}")
            many = await _mebibytes_with(workspace, client, process, sizes.many_waiting - sizes.few_waiting)
    name = f"worker memory, {sizes.many_waiting:,} waiting"
    return figure(name, "MiB", f"{sizes.few_waiting:,} waiting", [(many, few)], aim=1.1, better="lower")


async def _mebibytes_with(workspace: BenchWorkspace, client: Client, process: Process, more: int) -> float:
    """Start `more` follow-ups; return the resident memory when the worker has processed them."""
    for start in range(0, more, _FOLLOW_UPS_PER_STEP):
        count = min(_FOLLOW_UPS_PER_STEP, more - start)
        await workspace.report("go", [f"u-{os.urandom(8).hex()}" for _ in range(count)])
        while await workspace.context.outbox.flush():
            pass
    await _wait_for_empty_queue(client, names.main_queue(workspace.id))
    return _resident_mebibytes(process.pid)


async def _wait_for_empty_queue(client: Client, queue: str) -> None:
    """Return when the server has reported several times in a row that no workflow task waits for the worker."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        report_stats=True,
    )
    empty_polls = 0
    while empty_polls < _EMPTY_POLLS:
        await asyncio.sleep(0.2)
        response = await client.workflow_service.describe_task_queue(request)
        empty_polls = 0 if response.stats.approximate_backlog_count else empty_polls + 1


def _resident_mebibytes(pid: int) -> float:
    """Return the resident memory of a process; `ps` reports KiB on Linux and macOS."""
    output = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True)
    return int(output.stdout) / 1024


@asynccontextmanager
async def _run_worker(workspace: BenchWorkspace, client: Client, folder: Path) -> AsyncIterator[Process]:
    environment = {
        "CONNECTOR_WORKSPACE": workspace.id,
        "CONNECTOR_DATABASE_URL": workspace.context.settings.database,
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
