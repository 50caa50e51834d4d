"""Cancel work whose client has disconnected."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

_CHECK_SECONDS = 0.5

T = TypeVar("T")


async def while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns; cancel it if the client disconnects, or if this process ends.

    The body has been read. Raises ClientDisconnect, or what the work raises.
    """
    task = asyncio.create_task(work)
    try:
        while not (await asyncio.wait([task], timeout=_CHECK_SECONDS))[0]:
            if await request.is_disconnected():
                raise ClientDisconnect
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
