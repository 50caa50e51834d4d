"""Threads for work on texts whose size others decide: rendering, checking, rewriting, building mail.

A thread does not make such work faster, but the event loop goes on beside it: other messages and requests do not wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")
# Few, so that the loop keeps its share of the processor; not the default ones, which slow name servers may occupy.
_THREADS = ThreadPoolExecutor(max_workers=2, thread_name_prefix="texts")


async def run_in_thread(work: Callable[[], _Result]) -> _Result:
    """Return what `work` returns, or raise what it raises; the event loop goes on in the meantime."""
    return await asyncio.get_running_loop().run_in_executor(_THREADS, work)
