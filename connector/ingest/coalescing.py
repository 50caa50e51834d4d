"""Batches that wait at the same time go into one transaction, and each is answered for itself after its commit.

Whoever comes while nobody is at work works at once, in its own task; whoever comes meanwhile waits, and the next one of
them takes the others along. What one batch costs alone, its statements and its commit, is then shared by all of them.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, TypeVar

from connector.ingest.parsing import ReadItem, Unreadable
from connector.store.engine.database import WAIT_SECONDS, StoreUnavailable

_T = TypeVar("_T")
_CALM_AFTER_SECONDS = 0.05
MOST_ITEMS = 1000
"""Items of one transaction that takes several batches; one batch alone may have more."""


@dataclass(frozen=True)
class Batch:
    """Items as they were read, and descriptions of users: those that hold before them, and those that rest on one.

    `changes_by_item` has the latter by the places of their items.
    """

    items: Sequence[ReadItem]
    users: Sequence[Any] = ()
    changes_by_item: Mapping[int, Any] = field(default_factory=dict)

    @cached_property
    def names(self) -> frozenset[str]:
        """The users whom it is about, and the ids of its items, which do not meet in one namespace."""
        taken = [item for item in self.items if not isinstance(item, Unreadable)]
        return frozenset(
            [f"user {item.user}" for item in taken]
            + [f"user {changes['id']}" for changes in self.users]
            + [f"item {item.id}" for item in taken]
        )


class _Place(Generic[_T]):
    """Where a batch waits. Its future has what came of it, or None: it is its turn to work."""

    def __init__(self, batch: Batch, *, alone: bool = False) -> None:
        self.batch, self.alone = batch, alone
        self.told: asyncio.Future[_T | None] = asyncio.get_running_loop().create_future()
        self.patience = asyncio.timeout(WAIT_SECONDS)

    @property
    def has_turn(self) -> bool:
        """Whether it is its turn to work."""
        told = self.told
        return told.done() and not told.cancelled() and not told.exception() and told.result() is None


class BatchCoalescer(Generic[_T]):
    """Takes batches in through `act`, those that wait together where nothing of one can bear on another.

    A user or an id that is in two of them keeps them apart, and so do descriptions of users, which hold for what comes
    after them. What came of a batch is therefore what would have come of it alone.

    Args:
        act: takes several batches in, in one transaction, and returns what came of each.
        at_once: how many transactions at the same time.
    """

    def __init__(self, act: Callable[[Sequence[Batch]], Awaitable[Sequence[_T]]], *, at_once: int) -> None:
        self._act, self._free = act, at_once
        self._waiting: deque[_Place[_T]] = deque()
        self.idle = asyncio.Event()
        """Set while nothing is taken in, and has not been for a moment: what can wait until then may go on."""
        self.idle.set()
        self._calming: asyncio.TimerHandle | None = None

    async def submit(self, batch: Batch) -> _T:
        """Take a batch in, at once or as soon as somebody is free to.

        Raises:
            StoreUnavailable: nothing of it was stored, or it waited for too long. Else whatever `act` raised for it.
        """
        place: _Place[_T] = _Place(batch)
        self._mark_busy()
        if self._free:
            self._free -= 1
        else:
            self._waiting.append(place)
            told = await self._told(place)
            if told is not None:
                return told
        return await self._work(place)

    async def _told(self, place: _Place[_T]) -> _T | None:
        """Wait for what came of the batch; None where it is its turn to work."""
        try:
            async with place.patience:
                return await place.told
        except TimeoutError:
            self._leave(place)
            raise StoreUnavailable("others are taken in first; try again later") from None
        except asyncio.CancelledError:
            self._leave(place)
            raise

    def _leave(self, place: _Place[_T]) -> None:
        """Nobody waits at this place any more; a turn that it was given meanwhile goes on to the next."""
        if place in self._waiting:
            self._waiting.remove(place)
        elif place.has_turn:
            self._hand_on()

    async def _work(self, place: _Place[_T]) -> _T:
        """Take the batch in, and others that wait along with it; then it is the next one's turn."""
        others = [] if place.alone else self._companions(place.batch)
        try:
            came = await self._act([one.batch for one in (place, *others)])
        except StoreUnavailable as error:
            for other in others:
                _resolve(other, StoreUnavailable(str(error)))
            raise
        except BaseException as error:
            # What is wrong may be wrong with one of them only: each is tried by itself.
            self._put_back(others, alone=isinstance(error, Exception))
            if not others or not isinstance(error, Exception):
                raise
            (alone,) = await self._act([place.batch])
            return alone
        else:
            for other, told in zip(others, came[1:], strict=True):
                _resolve(other, told)
            return came[0]
        finally:
            self._hand_on()

    def _companions(self, batch: Batch) -> list[_Place[_T]]:
        """Those of the waiting that can go along, the first ones first, with their patience no longer tried."""
        chosen, left, names, room = [], deque[_Place[_T]](), set(batch.names), MOST_ITEMS - len(batch.items)
        for place in self._waiting:
            other = place.batch
            if place.told.done():  # it has just been given up
                continue
            if (
                place.alone
                or other.users
                or other.changes_by_item
                or len(other.items) > room
                or not names.isdisjoint(other.names)
            ):
                left.append(place)
                names |= other.names  # who comes after it stays after it
                continue
            place.patience.reschedule(None)
            chosen.append(place)
            names |= other.names
            room -= len(other.items)
        self._waiting = left
        return chosen

    def _put_back(self, places: Sequence[_Place[_T]], *, alone: bool) -> None:
        for place in reversed(places):
            if not place.told.done():
                place.alone = place.alone or alone
                place.patience.reschedule(asyncio.get_running_loop().time() + WAIT_SECONDS)
                self._waiting.appendleft(place)

    def _hand_on(self) -> None:
        while self._waiting:
            place = self._waiting.popleft()
            if not place.told.done():
                place.told.set_result(None)
                return
        self._free += 1
        self._calming = asyncio.get_running_loop().call_later(_CALM_AFTER_SECONDS, self.idle.set)

    def _mark_busy(self) -> None:
        self.idle.clear()
        if self._calming is not None:
            self._calming.cancel()
            self._calming = None


def _resolve(place: _Place[Any], told: Any) -> None:
    if place.told.done():  # it was cancelled meanwhile
        return
    if isinstance(told, BaseException):
        place.told.set_exception(told)
    else:
        place.told.set_result(told)
