"""The baselines on Temporal alone: what the same server does without us."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from time import perf_counter
from typing import TypeVar
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle

AT_ONCE = 50
"""As many calls at once as the outbox makes."""
DELAY = timedelta(seconds=1)
_T = TypeVar("_T")


@activity.defn(name="nothing")
async def nothing(_number: int) -> None:
    """Do nothing."""


@workflow.defn(name="Bare")
class Bare:
    """One timer and one activity that does nothing: the least that a delayed message can cost."""

    @workflow.run
    async def run(self, number: int) -> None:
        """Wait, then act."""
        await workflow.sleep(DELAY)
        await workflow.execute_activity(nothing, number, start_to_close_timeout=timedelta(seconds=10))


async def starts_per_second(client: Client, count: int) -> float:
    """Start so many bare workflows that nobody works on; returns how many went in a second."""
    begun = perf_counter()
    await _start(client, count, task_queue=f"bench-idle-{uuid4()}")
    return count / (perf_counter() - begun)


async def drained_per_second(client: Client, count: int, task_queue: str) -> float:
    """Start so many bare workflows and wait for all their ends; returns how many went in a second."""
    begun = perf_counter()
    handles = await _start(client, count, task_queue=task_queue)
    await all_at_once(handles, WorkflowHandle.result, at_once=count)
    return count / (perf_counter() - begun)


async def _start(client: Client, count: int, *, task_queue: str) -> Sequence[WorkflowHandle[Bare, None]]:
    async def start(number: int) -> WorkflowHandle[Bare, None]:
        return await client.start_workflow(Bare.run, number, id=f"bare-{uuid4()}", task_queue=task_queue)

    return await all_at_once(range(count), start)


async def all_at_once(
    things: Sequence[object], act: Callable[..., Awaitable[_T]], *, at_once: int = AT_ONCE
) -> Sequence[_T]:
    """Do something with each thing, a bounded number at the same time."""
    free = asyncio.Semaphore(at_once)

    async def one(thing: object) -> _T:
        async with free:
            return await act(thing)

    return await asyncio.gather(*(one(thing) for thing in things))
