"""A token bucket a key, on a clock that passes when told."""

import pytest

from starter.api.access.rate_limits import RateLimits
from tests.support.api import Clock


def burst(limits: RateLimits, rate: float, id: str = "a") -> int:
    """How many requests pass at one instant."""
    return next(number for number in range(10_000) if limits.take(id, rate) > 0)


@pytest.mark.parametrize("since", [0.0, 1e6, 4e7])
@pytest.mark.parametrize(
    ("rate", "at_once", "later", "after"),
    [(200, 400, 1.0, 200), (50, 100, 0.5, 25), (1, 2, 1.0, 1), (0.5, 1, 2.0, 1), (0.01, 1, 100.0, 1), (3, 6, 1.0, 3)],
)
def test_two_seconds_at_once_then_the_rate(rate: float, at_once: int, later: float, after: int, since: float) -> None:
    """At least one at once, however low the rate; idle longer than that, a key gathers no more."""
    clock = Clock(since)
    limits = RateLimits(clock)
    assert burst(limits, rate) == at_once
    clock.now += later
    assert burst(limits, rate) == after
    clock.now += 1000
    assert burst(limits, rate) == at_once


def test_the_time_to_wait_is_enough() -> None:
    """Whoever waits as long as told gets through; requests that were refused are not counted."""
    clock = Clock()
    limits = RateLimits(clock)
    burst(limits, 0.25)
    for _ in range(100):
        assert limits.take("a", 0.25) == pytest.approx(4)
    clock.now += 3
    wait = limits.take("a", 0.25)
    assert wait == pytest.approx(1)
    clock.now += wait
    assert limits.take("a", 0.25) == 0


def test_each_key_has_its_own() -> None:
    """One key's flood slows no other."""
    limits = RateLimits(Clock())
    burst(limits, 1)
    assert limits.take("b", 1) == 0


def test_buckets_of_keys_that_are_gone_do_not_pile_up() -> None:
    """A full bucket is as good as none: once a minute those are dropped, and only those."""
    clock = Clock()
    limits = RateLimits(clock)
    for number in range(1000):
        limits.take(f"k{number}", 10)
    limits.take("slow", 0.01)
    assert len(limits) == 1001
    clock.now += 60
    limits.take("new", 10)
    assert len(limits) == 2
    assert limits.take("slow", 0.01) > 0
