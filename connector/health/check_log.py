"""Logs when a check of the installation begins to fail, and when it is ok again."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog

from connector.health.checks import Check, CheckName, CheckStatus

_log = structlog.get_logger("checks")
_MIN_SECONDS = 5.0
"""A check that fails for less than this is not logged: a worker that has just started has not polled yet."""
_PAUSES_SECONDS = (2.0, 6.0, 30.0)
"""The pauses between a worker's checks; the last one repeats."""


class CheckLog:
    """Logs each failure once, with its sentence, and its end.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failing_since: dict[CheckName, float] = {}
        self._logged: set[CheckName] = set()

    def record(self, checks: Sequence[Check]) -> None:
        """Log what has changed. What is unknown changes nothing, and outages of the database have their own lines."""
        now = self._clock()
        for check in checks:
            if check.status is CheckStatus.FAILED and check.name is not CheckName.DATABASE:
                since = self._failing_since.setdefault(check.name, now)
                if check.name not in self._logged and now - since >= _MIN_SECONDS:
                    self._logged.add(check.name)
                    _log.warning("check_failed", check=check.name.value, note=check.problem, detail=check.detail)
            elif check.status is CheckStatus.OK:
                self._failing_since.pop(check.name, None)
                if check.name in self._logged:
                    self._logged.remove(check.name)
                    _log.info("check_passed", check=check.name.value)


async def watch_checks(read: Callable[[], Awaitable[object]], stopped: asyncio.Event) -> None:
    """Read the checks again and again until `stopped`, so that they are logged without any probe."""
    for pause_seconds in itertools.chain(_PAUSES_SECONDS, itertools.repeat(_PAUSES_SECONDS[-1])):
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), pause_seconds)
        if stopped.is_set():
            return
        try:
            await read()
        except Exception:  # a defect here must not end the worker
            _log.exception("checks_broke")
