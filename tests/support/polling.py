"""Wait for what another task, process or server brings about."""

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

PATIENCE_SECONDS = 40
"""Far more than it takes: a machine may be busy."""


async def until(holds: Callable[[], Any], what: str = "", *, seconds: float = PATIENCE_SECONDS) -> None:
    """Poll until `holds`, which may be a coroutine function, returns true; a failure names `what` did not come."""
    try:
        async with asyncio.timeout(seconds):
            while not (await found if isawaitable(found := holds()) else found):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what or holds} did not come within {seconds} seconds") from None
