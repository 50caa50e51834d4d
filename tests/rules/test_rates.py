"""Windows of rates: how many messages they grant, when the next one begins, and what releasing places does."""

from datetime import UTC, datetime, timedelta

import pytest

from connector.rules.sending.rates import (
    RateLimit,
    RateWindow,
    count_rows_with_places,
    per_minute,
    per_second,
    release_to_window,
    take_from_window,
)

T = datetime(2026, 5, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TEN = RateLimit(10, SECOND)


@pytest.mark.parametrize(
    ("window", "wanted", "granted", "after"),
    [
        pytest.param(RateWindow(), 4, 4, RateWindow(T, 4), id="first"),
        pytest.param(RateWindow(), 40, 10, RateWindow(T, 10), id="more-than-fits"),
        pytest.param(RateWindow(T - SECOND / 2, 7), 5, 3, RateWindow(T - SECOND / 2, 10), id="rest"),
        pytest.param(RateWindow(T - SECOND / 2, 10), 5, 0, RateWindow(T - SECOND / 2, 10), id="full"),
        pytest.param(RateWindow(T - SECOND / 2, 12), 5, 0, RateWindow(T - SECOND / 2, 12), id="limit-was-lowered"),
        pytest.param(RateWindow(T - SECOND, 10), 5, 5, RateWindow(T, 5), id="over"),
        pytest.param(RateWindow(T + SECOND, 9), 5, 1, RateWindow(T + SECOND, 10), id="waited-for-the-lock"),
        pytest.param(RateWindow(T + 90 * SECOND, 9), 5, 5, RateWindow(T, 5), id="clock-was-set-back"),
    ],
)
def test_window(window: RateWindow, wanted: int, granted: int, after: RateWindow) -> None:
    """A window grants what is left of its limit until its length is over."""
    assert take_from_window(window, T, TEN, wanted) == (granted, after)


def test_no_limit_grants_everything() -> None:
    """Without a limit nothing is counted."""
    assert take_from_window(RateWindow(T, 3), T, None, 1000) == (1000, RateWindow(T, 3))


@pytest.mark.parametrize(
    ("rate", "count", "seconds", "launches"),
    [(50, 50, 1, 40), (10, 10, 1, 8), (3, 3, 1, 2), (2.5, 2, 0.8, 1), (1, 1, 1, 1), (0.5, 1, 2, 1), (0.01, 1, 100, 1)],
)
def test_rate_per_second(rate: float, count: int, seconds: float, launches: int) -> None:
    """A fractional rate is kept on average; a launch leaves a fifth, but may always take one."""
    limit = per_second(rate)
    assert limit == RateLimit(count, timedelta(seconds=seconds))
    assert limit.launch_share == RateLimit(launches, timedelta(seconds=seconds))


def test_time_left() -> None:
    """The next window may begin when this one's length is over; the first one at once."""
    limit = per_minute(5)
    assert limit.left(RateWindow(), T) == timedelta()
    assert limit.left(RateWindow(T - timedelta(seconds=20), 5), T) == timedelta(seconds=40)


@pytest.mark.parametrize(
    ("window", "after"),
    [(RateWindow(T, 9), RateWindow(T, 6)), (RateWindow(T, 2), RateWindow(T, 0)), (RateWindow(T + SECOND, 9),) * 2],
)
def test_places_given_back(window: RateWindow, after: RateWindow) -> None:
    """Unused places return to their own window only."""
    assert release_to_window(window, RateWindow(T, 8), 3) == after


@pytest.mark.parametrize(
    ("free", "rows"),
    [({}, 3), ({"push": 5, "email": 5}, 3), ({"push": 2}, 2), ({"push": 5, "email": 1}, 2), ({"email": 0}, 0)],
)
def test_rows_with_places(free: dict[str, int], rows: int) -> None:
    """A row needs a place on each of its channels that has a limit, and no row overtakes another."""
    channels = [("push", "email"), ("push",), ("email", "push")]
    assert count_rows_with_places(channels, free) == rows
