"""Shutdown on SIGTERM, SIGINT and SIGHUP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM, SIGINT or SIGHUP sets. Needs a running loop."""
    stopped = asyncio.Event()
    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped


async def run_unless_stopped(work: Coroutine[Any, Any, T], stopped: asyncio.Event) -> T | None:
    """Return the result of `work`; cancel it, await its end, and return None if `stopped` is set first."""
    task, stop = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
        return await task if task.done() else None
    finally:
        task.cancel()
        stop.cancel()
        await asyncio.gather(task, stop, return_exceptions=True)
