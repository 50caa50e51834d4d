"""Places and body memory: who gets them, and who loses them, on a clock of the test."""

from __future__ import annotations

import pytest

from starter.api.requests.pools import MIN_BYTES_PER_SECOND, STALL_SECONDS, Place, Pool, PoolFull


def place(client: str = "a", *, began: float = 0.0, received: int = 0, is_whole: bool = False) -> Place:
    """A place for a body of which so much has come since it began."""
    return Place(client, began, began + 30, lambda: None, is_whole, received)


def fill(pool: Pool, *places: Place, now: float = 1.0) -> None:
    for one in places:
        pool.enter(one, 0, now)


def test_whole_bodies_never_compete_with_unfinished_ones() -> None:
    """All places for unfinished bodies are taken: a request with a whole body has a place."""
    pool = Pool(2, 100)
    fill(pool, place("a"), place("b"), place("c", is_whole=True), place("c", is_whole=True))
    with pytest.raises(PoolFull, match="requests"):
        fill(pool, place("d", is_whole=True))


def test_the_slowest_body_loses_its_place() -> None:
    """A faster one takes it; one that is as slow is refused, so that slow ones do not push each other out for ever."""
    pool = Pool(2, 100)
    slow, slower = place("a", received=20), place("b", received=10)
    fill(pool, slow, slower)
    with pytest.raises(PoolFull, match="unfinished"):
        fill(pool, place("c", received=10))
    fill(pool, place("c", received=1000))
    assert (slow.is_withdrawn, slower.is_withdrawn) == (False, True)
    assert len(pool) == 2


def test_one_client_has_half_of_the_places_for_unfinished_bodies() -> None:
    """Beyond that it takes the place of a slower one of its own, or none."""
    pool = Pool(4, 100)
    own = place("a", received=10)
    fill(pool, own, place("a", received=20))
    with pytest.raises(PoolFull, match="client"):
        fill(pool, place("a", received=5))
    fill(pool, place("a", received=100), place("b"), place("b"))
    assert own.is_withdrawn


def test_no_client_keeps_the_memory_for_itself() -> None:
    """However fast its bodies come: another client takes room from it, up to as much as it holds itself."""
    pool = Pool(8, 100)
    fast, faster, slow = place("a", received=5000), place("a", received=9000), place("b", received=1)
    fill(pool, fast, faster, slow)
    pool.hold(fast, 50, 1.0)
    pool.hold(faster, 50, 1.0)
    pool.hold(slow, 20, 1.0)
    assert (fast.is_withdrawn, faster.is_withdrawn, pool.bytes) == (True, False, 70)
    with pytest.raises(PoolFull, match="memory"):
        pool.hold(slow, 40, 1.0)


def test_memory_is_taken_from_slower_bodies_only() -> None:
    """Never from whole ones, which are in work; whoever gets none holds none."""
    pool = Pool(4, 100)
    whole, slow, fast = place("a", is_whole=True), place("b", received=50), place("c", received=500)
    fill(pool, whole, slow, fast)
    pool.hold(whole, 40, 1.0)
    pool.hold(slow, 50, 1.0)
    pool.hold(fast, 30, 1.0)
    assert (slow.is_withdrawn, pool.bytes) == (True, 70)
    with pytest.raises(PoolFull, match="memory"):
        pool.hold(fast, 40, 1.0)
    assert pool.bytes == 40
    with pytest.raises(PoolFull, match="memory"):
        pool.enter(place("d"), 70, 1.0)
    pool.leave(whole)
    assert pool.bytes == 0


def test_a_place_is_left_once() -> None:
    """A body that has lost its place frees nothing a second time."""
    pool = Pool(1, 100)
    lost = place("a", received=1)
    fill(pool, lost)
    pool.hold(lost, 10, 1.0)
    fill(pool, place("b", received=100))
    pool.leave(lost)
    assert (len(pool), pool.bytes) == (1, 0)


@pytest.mark.parametrize(
    ("received", "now", "expected"),
    [
        (0, 0.0, STALL_SECONDS),
        (0, 5.0, STALL_SECONDS),
        (2 * MIN_BYTES_PER_SECOND, 5.0, STALL_SECONDS + 2),
        (100 * MIN_BYTES_PER_SECOND, 5.0, STALL_SECONDS + 5),
        (100 * MIN_BYTES_PER_SECOND, 25.0, 30.0),
    ],
)
def test_a_body_must_make_progress(received: int, now: float, expected: float) -> None:
    """Whatever is first: the gap, the least rate after a lead, or the end."""
    assert place(received=received).next_deadline(now) == pytest.approx(expected)
