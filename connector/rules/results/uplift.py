"""Uplift: the conversion rate of those who received a campaign compared with that of its control group.

Sources: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
Statistical Association 22 (1927), 209-212, for one rate; R. G. Newcombe, "Interval Estimation for the Difference
between Independent Proportions: Comparison of Eleven Methods", Statistics in Medicine 17 (1998), 873-890, for two:
method 10, the hybrid of two Wilson intervals. Both are valid for small groups and for rates of 0 and 1, for which the
normal approximation gives an interval without width.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist
from typing import Literal

CONFIDENCE = 0.95

Direction = Literal["more", "less", "undecided"]


@dataclass(frozen=True)
class Share:
    """The part of a group that converted: `converted` of `users`, each user counted once."""

    converted: int
    users: int

    def __post_init__(self) -> None:
        if not 0 <= self.converted <= self.users:
            raise ValueError(f"{self.converted} of {self.users} users cannot have converted; each counts once")

    @property
    def rate(self) -> float:
        """The conversion rate in [0, 1]. Raises ZeroDivisionError for an empty group."""
        return self.converted / self.users


@dataclass(frozen=True)
class Uplift:
    """How much more, or less, of the receivers converted than of the control group.

    Args:
        rate, control_rate: the two conversion rates.
        difference: `rate` minus `control_rate`, in [-1, 1]; `low` to `high` is its confidence interval.
        relative: the difference divided by `control_rate` (0.5: half as much again); None if `control_rate` is 0.
    """

    rate: float
    control_rate: float
    difference: float
    low: float
    high: float
    relative: float | None
    confidence: float = CONFIDENCE

    @property
    def verdict(self) -> Direction:
        """The conclusion that the interval allows: `undecided` if it contains 0."""
        if self.low > 0:
            return "more"
        return "less" if self.high < 0 else "undecided"


def compute_uplift(receivers: Share, control: Share) -> Uplift | None:
    """Return the uplift of the receivers over the control group; None if either group is empty."""
    if not receivers.users or not control.users:
        return None
    low, high = difference_interval(receivers, control)
    rate, base = receivers.rate, control.rate
    return Uplift(rate, base, rate - base, low, high, (rate - base) / base if base else None)


def difference_interval(one: Share, other: Share, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Newcombe's hybrid score interval for `one.rate - other.rate`, without continuity correction.

    Neither group may be empty.
    """
    low, high = wilson_interval(one, confidence)
    other_low, other_high = wilson_interval(other, confidence)
    difference = one.rate - other.rate
    below = sqrt((one.rate - low) ** 2 + (other_high - other.rate) ** 2)
    above = sqrt((high - one.rate) ** 2 + (other.rate - other_low) ** 2)
    return max(-1.0, difference - below), min(1.0, difference + above)


def wilson_interval(share: Share, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval for one rate, within [0, 1]. The group must not be empty."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, users = share.rate, share.users
    middle = 2 * users * rate + z * z
    half = z * sqrt(z * z + 4 * users * rate * (1 - rate))
    low, high = ((middle + sign * half) / (2 * (users + z * z)) for sign in (-1, 1))
    # Exact at the ends: rounding would put a lower bound just above a rate of 0.
    return (0.0 if share.converted == 0 else low), (1.0 if share.converted == users else high)
