"""Wait for the effect of another task, process or server."""

import asyncio
from collections.abc import Callable
from inspect import isawaitable
from typing import Any

PATIENCE_SECONDS = 40
"""Far longer than necessary, because the machine may be busy."""


async def until(holds: Callable[[], Any], what: str = "", *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Poll until `holds`, which may be a coroutine function, returns something true, and return that.

    The error names `what` did not happen.
    """
    try:
        async with asyncio.timeout(seconds):
            while not (found := await asked if isawaitable(asked := holds()) else asked):
                await asyncio.sleep(0.02)
            return found
    except TimeoutError:
        raise AssertionError(f"{what or holds} did not happen within {seconds} seconds") from None
