"""The baselines on Temporal alone: what the same server does without the connector."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, TypeVar
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle

MAX_CONCURRENT_CALLS = 50
"""The number of the outbox."""
_T = TypeVar("_T")
_Handle = WorkflowHandle[Any, Any]


@activity.defn(name="nothing")
async def nothing() -> None:
    """Do nothing."""


@workflow.defn(name="Bare")
class BareWorkflow:
    """One timer and one activity that does nothing: the least that a delayed message can cost."""

    @workflow.run
    async def run(self, due_at: datetime) -> None:
        """Wait until `due_at`, and run the activity."""
        await workflow.sleep(max(timedelta(milliseconds=1), due_at - workflow.now()))
        await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))


async def start(client: Client, count: int, *, due_at: datetime, task_queue: str) -> Sequence[_Handle]:
    """Start `count` bare workflows, a bounded number at the same time."""

    async def start_one(_: object) -> _Handle:
        return await client.start_workflow(BareWorkflow.run, due_at, id=f"bare-{uuid4()}", task_queue=task_queue)

    return await call_for_each(range(count), start_one)


async def starts_per_second(client: Client, count: int, *, due_at: datetime) -> float:
    """Return how many workflows start per second on a task queue without a worker."""
    started_at = perf_counter()
    await start(client, count, due_at=due_at, task_queue=f"bench-idle-{uuid4()}")
    return count / (perf_counter() - started_at)


async def wait_for_results(handles: Sequence[_Handle]) -> None:
    """Wait until these workflows have ended."""
    await asyncio.gather(*(handle.result() for handle in handles))


async def call_for_each(
    items: Sequence[Any], act: Callable[[Any], Awaitable[_T]], *, at_once: int = MAX_CONCURRENT_CALLS
) -> Sequence[_T]:
    """Call `act` for each item, a bounded number at the same time; return the results in order."""
    slots = asyncio.Semaphore(at_once)

    async def call(item: Any) -> _T:
        async with slots:
            return await act(item)

    return await asyncio.gather(*(call(item) for item in items))
