"""The calls of one sweep of the outbox, a bounded number at once and in order, and the marks of their rows."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy import RowMapping
from temporalio.service import RPCError, RPCStatusCode

_log = structlog.get_logger("outbox")
_MAX_CONCURRENT_CALLS = 50
_ROWS_PER_MARK = 250
UNANSWERED = (
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.PERMISSION_DENIED,
)
"""After such an answer the calls for the other rows would fail too, and would only add to the load."""
_MAX_REFUSED_CALLS = 50
"""After this many refused calls, and none that succeeded, a sweep leaves the other rows."""


class Page:
    """The rows of one sweep: their calls, a bounded number at once and in order, and their marks."""

    def __init__(
        self,
        rows: Sequence[RowMapping],
        call: Callable[[RowMapping], Awaitable[None]],
        mark: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        self._rows, self._left, self._call, self._mark = rows, iter(rows), call, mark
        self._unmarked: list[str] = []
        self._failures: Counter[str] = Counter()
        self.failure: RPCError | None = None
        """The last call that failed."""
        self._stopped = False
        self.done = 0
        """The number of rows that are marked."""

    async def process(self) -> None:
        """Make the calls and the marks. If Temporal does not answer, the rows that are left wait for the next sweep.

        Raises:
            StoreUnavailable: a mark failed. Its calls are repeated by the next sweep, which is harmless.
        """
        callers = [self._make_calls() for _ in range(min(_MAX_CONCURRENT_CALLS, len(self._rows)))]
        results = await asyncio.gather(*callers, return_exceptions=True)
        for error in filter(None, results):
            raise error
        if self._unmarked:
            await self._mark_group()
        if self._failures and self.done:  # once, not per row; if all calls failed, the caller logs it
            _log.warning("outbox_call_failed", calls=self._failures.total(), status=self._failures.most_common(1)[0][0])

    async def _make_calls(self) -> None:
        """Make one call after the other. The caller that completes a group of rows marks it while the others go on."""
        try:
            for row in self._left:
                await self._make_call(row)
                if len(self._unmarked) >= _ROWS_PER_MARK:
                    await self._mark_group()
                if self._stopped:
                    return
        except BaseException:
            self._stopped = True
            raise

    async def _make_call(self, row: RowMapping) -> None:
        try:
            await self._call(row)
        except RPCError as error:
            self._failures[error.status.name] += 1
            self.failure = error
            are_all_refused = not (self.done or self._unmarked) and self._failures.total() >= _MAX_REFUSED_CALLS
            self._stopped = self._stopped or error.status in UNANSWERED or are_all_refused
        else:
            self._unmarked.append(row["id"])

    async def _mark_group(self) -> None:
        group, self._unmarked = self._unmarked, []
        await self._mark(group)
        self.done += len(group)
