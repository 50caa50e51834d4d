"""Coalesce waiting batches into one transaction (group commit), and give each its own result after the commit.

A batch that arrives while no transaction runs is ingested at once, in its own task. Batches that arrive meanwhile wait;
the next of them takes the others along, so that they share the statements and the commit of a single batch.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from connector.ingest.parsing import ParsedItem, UnreadableItem
from connector.store.engine.database import WAIT_SECONDS, StoreUnavailable

_T = TypeVar("_T")
_IDLE_AFTER_SECONDS = 0.05
MAX_COALESCED_ITEMS = 1000
"""Items of a transaction of several batches; a batch alone may have more."""


@dataclass(frozen=True)
class IngestRequest:
    """One batch of items and user changes.

    Args:
        users: changes that apply before the items.
        changes_by_item: changes that apply only if an item is new, by its position.
    """

    items: Sequence[ParsedItem]
    users: Sequence[Any] = ()
    changes_by_item: Mapping[int, Any] = field(default_factory=dict)

    @cached_property
    def names(self) -> frozenset[str]:
        """The users and the item ids of the batch, in separate namespaces."""
        readable = [item for item in self.items if not isinstance(item, UnreadableItem)]
        return frozenset(
            [f"user {item.user}" for item in readable]
            + [f"user {changes['id']}" for changes in self.users]
            + [f"item {item.id}" for item in readable]
        )


class _Waiter(Generic[_T]):
    """A batch in the queue. `woken` resolves when either `has_turn` or `result` is set, or raises the batch's error.

    Args:
        must_run_alone: its transaction failed together with others, so it is tried by itself.
    """

    result: _T

    def __init__(self, request: IngestRequest) -> None:
        self.request = request
        self.must_run_alone = False
        self.has_turn = False
        self.woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.timeout = asyncio.timeout(WAIT_SECONDS)

    @property
    def is_waiting(self) -> bool:
        """Whether its task still waits for a turn or a result."""
        return not self.woken.done()

    def give_turn(self) -> None:
        """Wake its task to ingest the batch itself."""
        self.has_turn = True
        self.woken.set_result(None)

    def finish(self, result: _T) -> None:
        """Wake its task with the batch's result, unless it was cancelled."""
        if self.is_waiting:
            self.result = result
            self.woken.set_result(None)

    def fail(self, error: Exception) -> None:
        """Wake its task with an error, unless it was cancelled."""
        if self.is_waiting:
            self.woken.set_exception(error)


class BatchCoalescer(Generic[_T]):
    """Ingests batches, coalescing waiting ones if none can affect another.

    A user or an item id that two batches share keeps them apart, and so do user changes, which apply to all later ones.
    A batch therefore gets the same result as if it were ingested alone.

    Args:
        ingest: ingests several batches in one transaction and returns the result of each.
        max_transactions: at the same time.
    """

    def __init__(
        self, ingest: Callable[[Sequence[IngestRequest]], Awaitable[Sequence[_T]]], *, max_transactions: int
    ) -> None:
        self._ingest, self._free = ingest, max_transactions
        self._queue: deque[_Waiter[_T]] = deque()
        self.idle = asyncio.Event()
        """Set when nothing has been ingested for a moment, so that deferrable work may proceed."""
        self.idle.set()
        self._idle_timer: asyncio.TimerHandle | None = None

    async def submit(self, request: IngestRequest) -> _T:
        """Ingest a batch, at once or when a transaction is free.

        Raises:
            StoreUnavailable: nothing was stored, or the wait was too long. Otherwise whatever `ingest` raised for it.
        """
        waiter: _Waiter[_T] = _Waiter(request)
        self._mark_busy()
        if self._free:
            self._free -= 1
            waiter.has_turn = True
        else:
            self._queue.append(waiter)
            await self._wait(waiter)
        return await self._run(waiter) if waiter.has_turn else waiter.result

    async def _wait(self, waiter: _Waiter[_T]) -> None:
        try:
            async with waiter.timeout:
                await waiter.woken
        except TimeoutError:
            self._leave_queue(waiter)
            raise StoreUnavailable("the database is busy with earlier batches; try again later") from None
        except asyncio.CancelledError:
            self._leave_queue(waiter)
            raise

    def _leave_queue(self, waiter: _Waiter[_T]) -> None:
        """Remove a waiter that gave up; a turn that it was given meanwhile passes to the next one."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif waiter.has_turn:
            self._pass_turn()

    async def _run(self, waiter: _Waiter[_T]) -> _T:
        """Ingest the batch with others that wait, then pass the turn on."""
        others = [] if waiter.must_run_alone else self._take_companions(waiter.request)
        try:
            results = await self._ingest([one.request for one in (waiter, *others)])
        except StoreUnavailable as error:
            for other in others:
                other.fail(StoreUnavailable(str(error)))
            raise
        except BaseException as error:
            # One of the batches may have caused the error, so each is tried by itself.
            self._requeue(others, alone=isinstance(error, Exception))
            if not others or not isinstance(error, Exception):
                raise
            (result,) = await self._ingest([waiter.request])
            return result
        else:
            for other, result in zip(others, results[1:], strict=True):
                other.finish(result)
            return results[0]
        finally:
            self._pass_turn()

    def _take_companions(self, request: IngestRequest) -> list[_Waiter[_T]]:
        """Take the waiters from the queue that can share the transaction of `request`, and stop their timeouts."""
        chosen, left = [], deque[_Waiter[_T]]()
        names, room = set(request.names), MAX_COALESCED_ITEMS - len(request.items)
        for waiter in self._queue:
            other = waiter.request
            if not waiter.is_waiting:  # cancelled, and about to leave the queue
                continue
            if (
                waiter.must_run_alone
                or other.users
                or other.changes_by_item
                or len(other.items) > room
                or not names.isdisjoint(other.names)
            ):
                left.append(waiter)
                names |= other.names  # later batches of the same users must stay behind this one
                continue
            waiter.timeout.reschedule(None)
            chosen.append(waiter)
            names |= other.names
            room -= len(other.items)
        self._queue = left
        return chosen

    def _requeue(self, waiters: Sequence[_Waiter[_T]], *, alone: bool) -> None:
        for waiter in reversed(waiters):
            if waiter.is_waiting:
                waiter.must_run_alone = waiter.must_run_alone or alone
                waiter.timeout.reschedule(asyncio.get_running_loop().time() + WAIT_SECONDS)
                self._queue.appendleft(waiter)

    def _pass_turn(self) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if waiter.is_waiting:
                waiter.give_turn()
                return
        self._free += 1
        self._idle_timer = asyncio.get_running_loop().call_later(_IDLE_AFTER_SECONDS, self.idle.set)

    def _mark_busy(self) -> None:
        self.idle.clear()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
