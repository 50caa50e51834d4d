"""Pools of places and body memory: what one kind of caller takes up is not taken from another kind.

A request takes a place in its pool once it is known who sends it. Requests whose body has not arrived yet have places
apart, because only they can be slow at will: if those are full, the body that arrives most slowly has to go. If memory
is short, it is one of the client that holds most. The pools know no HTTP and no tasks, so that every rule can be tested
on a clock of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

STALL_SECONDS = 10.0
"""The longest gap in a body, and the lead that it has before `MIN_BYTES_PER_SECOND` counts."""
MIN_BYTES_PER_SECOND = 1024
_TICK_SECONDS = 0.001


class PoolName(StrEnum):
    """Which requests share a pool."""

    KEYED = "keyed"
    CLIENTS = "clients"
    WEBHOOKS = "webhooks"
    LINKS = "links"
    METRICS = "metrics"


class PoolFull(Exception):
    """There is no room, and no place that may be taken away. `bound` names what is used up."""

    def __init__(self, bound: str) -> None:
        super().__init__(bound)
        self.bound = bound


@dataclass(eq=False)
class Place:
    """The place of one request.

    Args:
        client: whoever sends it, by address.
        began: when it began.
        deadline: the time by which the whole body must have arrived.
        is_whole: whether the whole body has arrived; true from the start if there is none.
        withdraw: called when the place is taken away.
        received: the bytes of the body that have arrived.
        held: those of them that are in memory, or their size when decompressed.
    """

    client: str
    began: float
    deadline: float
    withdraw: Callable[[], None]
    is_whole: bool = False
    received: int = 0
    held: int = 0
    is_withdrawn: bool = False

    def rate(self, now: float) -> float:
        """Return the bytes per second with which the body arrives."""
        return self.received / max(now - self.began, _TICK_SECONDS)

    def next_deadline(self, now: float) -> float:
        """Return the time by which the next bytes must arrive."""
        lead = self.began + STALL_SECONDS + self.received / MIN_BYTES_PER_SECOND
        return min(self.deadline, lead, now + STALL_SECONDS)


@dataclass
class Pool:
    """The places and the body memory of one kind of requests.

    Args:
        max_requests: the most requests with a whole body at a time, and the most with an unfinished one.
        max_bytes: the most bytes of their bodies in memory.
    """

    max_requests: int
    max_bytes: int
    bytes: int = 0
    _places: set[Place] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self._places)

    def enter(self, place: Place, announced: int, now: float) -> None:
        """Give a request its place; if its body is unfinished, take the place of a slower one for it if need be.

        One client may have unfinished bodies in half of the places for them.

        Args:
            announced: the announced bytes of its body.

        Raises:
            PoolFull: no room.
        """
        if place.is_whole:
            self._check_whole()
        else:
            unfinished = [one for one in self._places if not one.is_whole]
            own = [one for one in unfinished if one.client == place.client]
            if len(own) >= max(1, self.max_requests // 2) and not self._withdraw_slower(own, place, now):
                raise PoolFull("client")
            if len(unfinished) >= self.max_requests and not self._withdraw_slower(unfinished, place, now):
                raise PoolFull("unfinished")
        self._make_room(announced, place, now)
        self._places.add(place)

    def finish(self, place: Place) -> None:
        """Note that a body has arrived. Raises PoolFull if too many requests are in work."""
        self._check_whole()
        place.is_whole = True

    def hold(self, place: Place, size: int, now: float) -> None:
        """Count bytes of a body in memory. Raises PoolFull if there is no room; the request then holds none.

        Unfinished bodies make room: those of the client that holds most, if it holds more than this one's client
        will, else slower ones. So no client, however fast, keeps the memory for itself.
        """
        try:
            self._make_room(size, place, now)
        except PoolFull:
            self._drop_bytes(place)
            raise
        place.held += size
        self.bytes += size

    def leave(self, place: Place) -> None:
        """Free the place of a request that has ended, or has lost it before."""
        self._places.discard(place)
        self._drop_bytes(place)

    def _check_whole(self) -> None:
        if sum(one.is_whole for one in self._places) >= self.max_requests:
            raise PoolFull("requests")

    def _make_room(self, size: int, place: Place, now: float) -> None:
        while self.bytes + size > self.max_bytes:
            holding = [one for one in self._places if one.held and not one.is_whole]
            greediest = self._of_greediest(holding, than=self._held_by(place.client) + size)
            if greediest:
                self._withdraw(min(greediest, key=lambda one: one.rate(now)))
            elif not self._withdraw_slower(holding, place, now):
                raise PoolFull("memory")

    def _of_greediest(self, holding: list[Place], *, than: int) -> list[Place]:
        """Return the bodies of the client that holds most; none if that is not more `than` so many bytes."""
        client = max((one.client for one in holding), key=self._held_by, default="")
        return [one for one in holding if one.client == client] if self._held_by(client) > than else []

    def _held_by(self, client: str) -> int:
        return sum(one.held for one in self._places if one.client == client)

    def _withdraw_slower(self, places: list[Place], than: Place, now: float) -> bool:
        """Take away the place of the slowest of these bodies; return whether there was one slower than this one."""
        slowest = min(places, key=lambda one: one.rate(now), default=than)
        if not slowest.rate(now) < than.rate(now):
            return False
        self._withdraw(slowest)
        return True

    def _withdraw(self, place: Place) -> None:
        place.is_withdrawn = True
        self.leave(place)
        place.withdraw()

    def _drop_bytes(self, place: Place) -> None:
        self.bytes -= place.held
        place.held = 0
