"""The event loop of a worker or an API: uvloop if the platform has it, else asyncio's own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from connector.app.uncaught import log_task_fault

T = TypeVar("T")


def run_service(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine of a worker or an API, which runs until it is stopped; return its result."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.get_loop().set_exception_handler(log_task_fault)
        return runner.run(work)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the function that creates a loop of uvloop; None if it is not installed (Windows, PyPy)."""
    try:
        import uvloop  # here, because other commands do not need it
    except ImportError:
        return None
    return uvloop.new_event_loop
