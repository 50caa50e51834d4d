"""A heartbeat that goes on while an activity waits for others, so that Temporal takes only a dead worker for dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from temporalio import activity

_EVERY = 2.0
"""Seconds; the SDK sends on as many of them as the timeout asks for."""


@asynccontextmanager
async def heartbeat() -> AsyncIterator[None]:
    """Report that this activity is alive, as long as the block runs, however long one provider takes."""
    task = asyncio.create_task(_beat())
    try:
        yield
    finally:
        task.cancel()


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(_EVERY)
