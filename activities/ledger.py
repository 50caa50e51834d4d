"""The ledger: the messages that this process is sending, until the result of each is recorded (guarantee 4).

If the database is unavailable, a message stays in the ledger with its result and is recorded as soon as the database
accepts it, even if the activity's attempt has ended. The next attempt in this process waits for that record instead of
taking the message for lost. Only a process that dies loses results; their messages become `send_unknown`.

The ledger has no more messages than may be sent at the same time: without the database, no new message is claimed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from connector.metrics import CLAIMS_IN_PROGRESS, RESULTS_LOST, RESULTS_WAITING
from connector.store.engine.database import StoreUnavailable
from connector.wire import SendOutcome

_log = structlog.get_logger("ledger")
_T = TypeVar("_T")
_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.05, 2.0
_MAX_DEFECT_SECONDS = 300.0
_Work = asyncio.Task[SendOutcome]


class Ledger:
    """The messages in progress, by the ids of their deliveries."""

    def __init__(self) -> None:
        self._in_progress: dict[str, _Work] = {}
        self._waiting = 0

    def find(self, delivery_id: str) -> _Work | None:
        """Return the attempt at a message that this process has begun and not finished."""
        return self._in_progress.get(delivery_id)

    def begin(self, delivery_id: str, work: Coroutine[Any, Any, SendOutcome]) -> _Work:
        """Make an attempt in a task of its own, which goes on if the activity that began the attempt is cancelled."""
        task = asyncio.create_task(work)
        self._in_progress[delivery_id] = task
        CLAIMS_IN_PROGRESS.inc()
        task.add_done_callback(lambda done: self._end(delivery_id, done))
        return task

    async def until_recorded(self, record: Callable[[], Awaitable[_T]]) -> _T:
        """Call `record` until it succeeds, with growing pauses; return its result.

        Raises:
            Exception: one that is no outage, after some minutes: it may be a migration that is going on.
        """
        pause_seconds, gives_up_at = _FIRST_PAUSE_SECONDS, time.monotonic() + _MAX_DEFECT_SECONDS
        is_waiting = False
        try:
            while True:
                try:
                    return await record()
                except StoreUnavailable as error:
                    is_waiting = is_waiting or self._begin_waiting(error)
                except Exception:
                    if time.monotonic() > gives_up_at:
                        raise
                    if pause_seconds == _FIRST_PAUSE_SECONDS:
                        _log.exception("result_not_recorded", note="it is tried again for some minutes")
                await asyncio.sleep(pause_seconds)
                pause_seconds = min(pause_seconds * 2, _MAX_PAUSE_SECONDS)
        finally:
            if is_waiting:
                self._end_waiting()

    async def close(self, *, timeout_seconds: float) -> None:
        """Wait until every message is recorded; after the timeout, log how many results are lost."""
        if self._in_progress:
            await asyncio.wait(self._in_progress.values(), timeout=timeout_seconds)
        if self._in_progress:
            RESULTS_LOST.inc(len(self._in_progress))
            _log.error(
                "results_forgotten",
                messages=len(self._in_progress),
                note="the database did not come back; what a provider got becomes send_unknown at the next attempt",
            )

    def _end(self, delivery_id: str, task: _Work) -> None:
        CLAIMS_IN_PROGRESS.dec()
        if self._in_progress.get(delivery_id) is task:
            del self._in_progress[delivery_id]
        if not task.cancelled():
            task.exception()  # a waiter, if there still is one, raises the error; without one, asyncio would log it

    def _begin_waiting(self, error: StoreUnavailable) -> bool:
        """Count a message that waits for the database, and log the first of them, not each; returns True."""
        if not self._waiting:
            note = "messages that were sent are recorded when the database is back; keep this process running"
            _log.warning("results_wait_for_database", error=str(error), note=note)
        self._waiting += 1
        RESULTS_WAITING.inc()
        return True

    def _end_waiting(self) -> None:
        self._waiting -= 1
        RESULTS_WAITING.dec()
        if not self._waiting:
            _log.info("results_recorded", note="the database is back")
