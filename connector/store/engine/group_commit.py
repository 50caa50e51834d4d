"""Group commit: requests that wait share one transaction, and each gets its own result after the commit.

A request that arrives while no transaction runs is carried out at once, in its own task. Requests that arrive meanwhile
wait; the first of them then carries out the others together with itself, with the statements and the commit of one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

from connector.store.engine.database import WAIT_SECONDS, StoreUnavailable

_IDLE_AFTER_SECONDS = 0.05
MAX_GROUP_SIZE = 1000
"""The most items in a transaction of several requests; a request alone may have more."""


class GroupRequest(Protocol):
    """A request that a group commit can carry out."""

    @property
    def size(self) -> int:
        """How many items it has."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """The names of what it concerns; two requests that share a name are never in one transaction."""
        ...

    @property
    def may_follow(self) -> bool:
        """Whether it may share a transaction after another request."""
        ...


class SingleRequest:
    """A request of one item that may share a transaction with any other."""

    @property
    def size(self) -> int:
        """One."""
        return 1

    @property
    def names(self) -> frozenset[str]:
        """None, so that nothing keeps it apart from others."""
        return frozenset()

    @property
    def may_follow(self) -> bool:
        """True."""
        return True


_Request = TypeVar("_Request", bound=GroupRequest)
_T = TypeVar("_T")


class _Waiter(Generic[_Request, _T]):
    """A request in the queue. `woken` resolves when either `has_turn` or `result` is set, or has its error.

    Args:
        must_run_alone: its transaction failed together with others, so it is tried by itself.
    """

    result: _T

    def __init__(self, request: _Request) -> None:
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
        """Wake its task to carry out the request itself."""
        self.has_turn = True
        self.woken.set_result(None)

    def finish(self, result: _T) -> None:
        """Wake its task with the request's result, unless it was cancelled."""
        if self.is_waiting:
            self.result = result
            self.woken.set_result(None)

    def fail(self, error: Exception) -> None:
        """Wake its task with an error, unless it was cancelled."""
        if self.is_waiting:
            self.woken.set_exception(error)


class GroupCommit(Generic[_Request, _T]):
    """Carries out requests, with those that wait in one transaction if none can affect another.

    Args:
        act: carries out several requests in one transaction and returns the result of each.
        max_transactions: how many run at the same time at most.
        max_size: how many items the requests of a shared transaction have at most.
    """

    def __init__(
        self,
        act: Callable[[Sequence[_Request]], Awaitable[Sequence[_T]]],
        *,
        max_transactions: int,
        max_size: int = MAX_GROUP_SIZE,
    ) -> None:
        self._act, self._max_transactions, self._max_size = act, max_transactions, max_size
        self._free = max_transactions
        self._is_forming = False
        """Whether a group waits for the tasks that became ready together with its first request."""
        self._queue: deque[_Waiter[_Request, _T]] = deque()
        self.idle = asyncio.Event()
        """Set when nothing has been done for a moment, so that deferrable work may proceed."""
        self.idle.set()
        self._idle_timer: asyncio.TimerHandle | None = None

    async def submit(self, request: _Request) -> _T:
        """Carry out a request, at once or when a transaction is free.

        Raises:
            StoreUnavailable: nothing was stored, or the wait was too long. Otherwise whatever `act` raised for it.
        """
        waiter: _Waiter[_Request, _T] = _Waiter(request)
        self._mark_busy()
        if self._free and not self._is_forming:
            self._free -= 1
            waiter.has_turn = True
        else:
            self._queue.append(waiter)
            await self._wait(waiter)
        return await self._run(waiter) if waiter.has_turn else waiter.result

    async def _wait(self, waiter: _Waiter[_Request, _T]) -> None:
        try:
            async with waiter.timeout:
                await waiter.woken
        except TimeoutError:
            self._leave_queue(waiter)
            raise StoreUnavailable("the database is busy with earlier requests; try again later") from None
        except asyncio.CancelledError:
            self._leave_queue(waiter)
            raise

    def _leave_queue(self, waiter: _Waiter[_Request, _T]) -> None:
        """Remove a waiter that gave up; a turn that it was given meanwhile passes to the next one."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif waiter.has_turn:
            self._pass_turn()

    async def _run(self, waiter: _Waiter[_Request, _T]) -> _T:
        """Carry out the request with others that wait, then pass the turn on."""
        others: list[_Waiter[_Request, _T]] = []
        try:
            if not waiter.must_run_alone:
                others = await self._form_group(waiter.request)
            results = await self._act([member.request for member in (waiter, *others)])
        except StoreUnavailable as error:
            for other in others:
                other.fail(StoreUnavailable(str(error), error.outage))
            raise
        except BaseException as error:
            # One of the requests may have caused the error, so each is tried by itself.
            self._requeue(others, alone=isinstance(error, Exception))
            if not others or not isinstance(error, Exception):
                raise
            (result,) = await self._act([waiter.request])
            return result
        else:
            for other, result in zip(others, results[1:], strict=True):
                other.finish(result)
            return results[0]
        finally:
            self._pass_turn()

    async def _form_group(self, request: _Request) -> list[_Waiter[_Request, _T]]:
        """Take the requests that can share a transaction with this one; the others get one of their own if one is free.

        Requests of tasks that became ready together belong together, so the loop gets a turn first.
        """
        self._is_forming = True
        try:
            await asyncio.sleep(0)
        finally:
            self._is_forming = False
        others = self._take_companions(request)
        if self._free and self._queue:
            self._free -= 1
            self._pass_turn()
        return others

    def _take_companions(self, request: _Request) -> list[_Waiter[_Request, _T]]:
        """Take the waiters from the queue that can share the transaction of `request`, and stop their timeouts."""
        chosen, left = [], deque[_Waiter[_Request, _T]]()
        names, room = set(request.names), self._max_size - request.size
        for waiter in self._queue:
            other = waiter.request
            if not waiter.is_waiting:  # cancelled, and about to leave the queue
                continue
            if waiter.must_run_alone or not other.may_follow or other.size > room or not names.isdisjoint(other.names):
                left.append(waiter)
                names |= other.names  # later requests about the same must stay behind this one
                continue
            waiter.timeout.reschedule(None)
            chosen.append(waiter)
            names |= other.names
            room -= other.size
        self._queue = left
        return chosen

    def _requeue(self, waiters: Sequence[_Waiter[_Request, _T]], *, alone: bool) -> None:
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
        if self._free == self._max_transactions:
            self._idle_timer = asyncio.get_running_loop().call_later(_IDLE_AFTER_SECONDS, self.idle.set)

    def _mark_busy(self) -> None:
        self.idle.clear()
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
