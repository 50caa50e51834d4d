"""Heartbeats of activities that may take long, so that Temporal notices a dead worker, and only that, soon."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import activity

_INTERVAL_SECONDS = 2.0
"""Often is cheap: the SDK passes on only as many heartbeats as the timeout requires."""


@contextmanager
def heartbeats(*, after_seconds: float = 0.0) -> Iterator[None]:
    """Send heartbeats while the block runs, beginning after `after_seconds`."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def beat() -> None:
        nonlocal timer
        activity.heartbeat()
        timer = loop.call_later(_INTERVAL_SECONDS, beat)

    timer = loop.call_later(after_seconds, beat)
    try:
        yield
    finally:
        timer.cancel()
