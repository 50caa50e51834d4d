"""The pauses of the event loop, in which no other message and no request can go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass
class LongestPause:
    """The longest pause so far, in seconds."""

    seconds: float = 0.0


@asynccontextmanager
async def watching_the_loop() -> AsyncIterator[LongestPause]:
    """Measure the longest pause of the running event loop until the block ends."""
    longest = LongestPause()

    async def watch() -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest.seconds = max(longest.seconds, time.monotonic() - before)

    watcher = asyncio.create_task(watch())
    try:
        yield longest
    finally:
        watcher.cancel()
