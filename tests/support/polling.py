"""Wait for something that another task, process or server brings about."""

import asyncio
from collections.abc import Awaitable, Callable


async def until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 10, what: str = "") -> None:
    """Poll until `holds` is true; after so many seconds the test fails and names `what` did not happen."""
    try:
        async with asyncio.timeout(seconds):
            while not (found if isinstance(found := holds(), bool) else await found):
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} seconds: {what or holds}") from None
