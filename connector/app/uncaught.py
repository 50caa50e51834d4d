"""Log uncaught errors: exceptions of the process, of threads, tasks and finalizers, and Python's warnings.

It needs only the standard library, because it is imported before a command knows whether it will log anything.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import warnings
from types import TracebackType
from typing import Any, TextIO

_log = logging.getLogger("process")


def log_uncaught() -> None:
    """Send uncaught exceptions and warnings to the log of this process, not as text to standard error."""
    sys.excepthook = _log_crash
    sys.unraisablehook = _log_unraisable
    threading.excepthook = _log_thread
    warnings.showwarning = _log_warning


def log_task_fault(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio reports, without the representations of tasks and futures, which quote values.

    It is a handler for `loop.set_exception_handler`.
    """
    _log.error("task_failed", extra={"what": context.get("message")}, exc_info=context.get("exception"))


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return sys.__excepthook__(kind, error, trace)
    return _log.critical("process_crashed", exc_info=(kind, error, trace))


def _log_thread(failed: threading.ExceptHookArgs) -> None:
    if failed.exc_value is not None:
        name = None if failed.thread is None else failed.thread.name
        info = (failed.exc_type, failed.exc_value, failed.exc_traceback)
        _log.error("thread_failed", extra={"in_thread": name}, exc_info=info)


def _log_unraisable(failed: sys.UnraisableHookArgs) -> None:
    _log.error("finalizer_failed", exc_info=failed.exc_value)


def _log_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Log where the code warned, and what; a plain UserWarning may quote values, as pydantic's do, so not its text."""
    text = {} if category is UserWarning else {"text": str(message)[:500]}
    _log.warning("python_warning", extra={"category": category.__name__, "at": f"{filename}:{lineno}", **text})
