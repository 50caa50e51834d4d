"""The baselines on Temporal alone: what the same server does without us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, TypeVar
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle

AT_ONCE = 50
"""As many calls at once as the outbox makes."""
_T = TypeVar("_T")
_Handle = WorkflowHandle[Any, Any]


@activity.defn(name="nothing")
async def nothing() -> None:
    """Do nothing."""


@workflow.defn(name="Bare")
class Bare:
    """One timer and one activity that does nothing: the least that a delayed message can cost."""

    @workflow.run
    async def run(self, due_at: datetime) -> None:
        """Wait until then, and act."""
        await workflow.sleep(max(timedelta(milliseconds=1), due_at - workflow.now()))
        await workflow.execute_activity(nothing, start_to_close_timeout=timedelta(seconds=10))


async def start(client: Client, count: int, *, due_at: datetime, task_queue: str) -> Sequence[_Handle]:
    """Start so many bare workflows, a bounded number at the same time."""

    async def one(_: object) -> _Handle:
        return await client.start_workflow(Bare.run, due_at, id=f"bare-{uuid4()}", task_queue=task_queue)

    return await all_at_once(range(count), one)


async def starts_per_second(client: Client, count: int, *, due_at: datetime) -> float:
    """Start so many that nobody works on; returns how many went in a second."""
    begun = perf_counter()
    await start(client, count, due_at=due_at, task_queue=f"bench-idle-{uuid4()}")
    return count / (perf_counter() - begun)


async def result(handle: _Handle) -> None:
    """Wait for a workflow's end."""
    await handle.result()


async def all_at_once(
    things: Sequence[Any], act: Callable[[Any], Awaitable[_T]], *, at_once: int = AT_ONCE
) -> Sequence[_T]:
    """Do something with each thing, a bounded number at the same time."""
    free = asyncio.Semaphore(at_once)

    async def one(thing: Any) -> _T:
        async with free:
            return await act(thing)

    return await asyncio.gather(*(one(thing) for thing in things))
