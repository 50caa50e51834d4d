"""Memory of a worker with many waiting follow-ups, against few: the same process, measured twice."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import httpx
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from bench.figures import Figure, Row, at_most
from bench.installation import Installation, open_installation
from bench.processes import resident_mebibytes
from bench.reporting import report
from bench.rounds import Bench
from bench.workspace import follow_on
from connector import names

_FEW = 5
"""The few are a fifth of the many. More would take the development server longer than all other measurements."""
_EMPTY_POLLS = 5


async def measure(bench: Bench) -> list[Figure]:
    """Measure the resident memory of a worker after the first follow-ups, and again after the others. Once only."""
    many = bench.sizes.many_waiting
    few = max(1, many // _FEW)
    aims = (at_most(1.05), at_most(200, of="ours"))
    row = Row(f"worker memory, {many:,} waiting", "MiB", f"{few:,} waiting", aims)
    async with open_installation(bench) as installed, installed.run_worker() as worker, installed.run_api() as api:
        await installed.workspace.publish([follow_on("far", event="go", delay="30 days")])
        bench.progress(f"waiting: the first {few:,}")
        await _add_follow_ups(installed, api, few)
        first = resident_mebibytes(worker.pid)
        bench.progress(f"waiting: up to {many:,}")
        await _add_follow_ups(installed, api, many - few)
        return [row.figure([(resident_mebibytes(worker.pid), first)])]


async def _add_follow_ups(installed: Installation, api: httpx.AsyncClient, count: int) -> None:
    """Return when `count` more follow-ups wait in the worker."""
    await report(api, "go", [f"u-{uuid4()}" for _ in range(count)])
    await installed.workspace.wait_for_outbox()
    await _wait_for_empty_queue(installed.temporal, names.main_queue(installed.workspace.id))


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
