"""Uplift over the control group: the statistics, against the examples that their authors published."""

from itertools import product
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.rules.results.uplift import Share, compute_uplift, difference_interval, wilson_interval

NEWCOMBE_TABLE_2 = [
    ((56, 70), (48, 80), (0.0524, 0.3339)),
    ((9, 10), (3, 10), (0.1705, 0.8090)),
    ((6, 7), (2, 7), (0.0582, 0.8062)),
    ((5, 56), (0, 29), (-0.0381, 0.1926)),
    ((0, 10), (0, 20), (-0.1611, 0.2775)),
    ((0, 10), (0, 10), (-0.2775, 0.2775)),
    ((10, 10), (0, 20), (0.6791, 1.0)),
    ((10, 10), (0, 10), (0.6075, 1.0)),
]
"""Newcombe (1998), Statistics in Medicine 17:873-890, table II, method 10, contrasts (a) to (h)."""

NEWCOMBE_ONE_RATE = [
    ((81, 263), (0.2553, 0.3662)),
    ((15, 148), (0.0624, 0.1605)),
    ((0, 20), (0.0, 0.1611)),
    ((1, 29), (0.0061, 0.1718)),
]
"""Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3 (Wilson)."""

shares = st.integers(1, 5000).flatmap(lambda users: st.builds(Share, st.integers(0, users), st.just(users)))


@pytest.mark.parametrize(("one", "other", "interval"), NEWCOMBE_TABLE_2)
def test_difference_as_published(one: tuple[int, int], other: tuple[int, int], interval: tuple[float, float]) -> None:
    """C1: the 95% interval of a difference, to the four digits that are printed."""
    assert difference_interval(Share(*one), Share(*other)) == pytest.approx(interval, abs=0.00006)


@pytest.mark.parametrize(("share", "interval"), NEWCOMBE_ONE_RATE)
def test_one_rate_as_published(share: tuple[int, int], interval: tuple[float, float]) -> None:
    """C1: Wilson's interval, to the four digits that are printed."""
    assert wilson_interval(Share(*share)) == pytest.approx(interval, abs=0.00006)


@pytest.mark.parametrize(
    ("receivers", "control", "verdict", "relative"),
    [
        ((56, 70), (48, 80), "more", 1 / 3),
        ((48, 80), (56, 70), "less", -0.25),
        ((5, 56), (1, 29), "undecided", 5 / 56 * 29 - 1),
        ((10, 10), (0, 20), "more", None),
        ((0, 10), (0, 20), "undecided", None),
    ],
)
def test_verdict(receivers: tuple[int, int], control: tuple[int, int], verdict: str, relative: float | None) -> None:
    """C1: more or less only if the interval excludes 0; no relative uplift over a rate of 0."""
    uplift = compute_uplift(Share(*receivers), Share(*control))
    assert uplift is not None
    assert uplift.verdict == verdict
    assert uplift.relative == (None if relative is None else pytest.approx(relative))
    assert uplift.difference == uplift.rate - uplift.control_rate


@pytest.mark.parametrize(("receivers", "control"), [(0, 0), (0, 9), (9, 0)])
def test_empty_groups(receivers: int, control: int) -> None:
    """C1: there is no uplift if either group is empty."""
    assert compute_uplift(Share(0, receivers), Share(0, control)) is None


@pytest.mark.parametrize(("converted", "users"), [(2, 1), (-1, 3)])
def test_more_conversions_than_users(converted: int, users: int) -> None:
    """C1: each user counts once, so a rate over 1 is an error of the caller."""
    with pytest.raises(ValueError, match="counts once"):
        Share(converted, users)


@given(shares, shares)
def test_interval_holds_the_difference(one: Share, other: Share) -> None:
    """C1: the interval is within [-1, 1], contains the difference, and is mirrored if the groups are swapped."""
    low, high = difference_interval(one, other)
    assert -1 <= low <= one.rate - other.rate <= high <= 1
    assert difference_interval(other, one) == pytest.approx((-high, -low))


def test_more_users_narrow_the_interval() -> None:
    """C1: the same rates of a hundred times as many users give an interval about a tenth as wide."""
    intervals = [difference_interval(Share(8 * n, 70 * n), Share(9 * n, 80 * n)) for n in (1, 100)]
    widths = [high - low for low, high in intervals]
    assert widths[1] == pytest.approx(widths[0] / 10, rel=0.1)


def test_interval_has_its_coverage() -> None:
    """C1: over every outcome of two groups of 30 at 20% and 50%, about 95% of the probability is covered."""
    weights = [[_binomial(k, 30, rate) for k in range(31)] for rate in (0.2, 0.5)]
    covered = 0.0
    for k, j in product(range(31), repeat=2):
        low, high = difference_interval(Share(k, 30), Share(j, 30))
        covered += weights[0][k] * weights[1][j] if low <= -0.3 <= high else 0
    assert 0.94 < covered < 0.97


def _binomial(k: int, n: int, rate: float) -> float:
    return comb(n, k) * rate**k * (1 - rate) ** (n - k)
