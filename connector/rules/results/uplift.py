"""Did the message do anything? The conversion rate of those who got it against that of the control group.

Sources: E. B. Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", Journal of the American
Statistical Association 22 (1927), 209-212, for one rate; R. G. Newcombe, "Interval Estimation for the Difference
between Independent Proportions: Comparison of Eleven Methods", Statistics in Medicine 17 (1998), 873-890, for two:
method 10, the hybrid of two Wilson intervals. Both hold for small groups and for rates of 0 and 1, where the
textbook's interval has no width.
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
    """So many of a group: of `users`, `converted` did. Each user counts once."""

    converted: int
    users: int

    def __post_init__(self) -> None:
        if not 0 <= self.converted <= self.users:
            raise ValueError(f"{self.converted} of {self.users} users cannot have converted; each counts once")

    @property
    def rate(self) -> float:
        """In [0, 1]. Raises ZeroDivisionError for a group of nobody."""
        return self.converted / self.users


@dataclass(frozen=True)
class Uplift:
    """How much more, or less, of the receivers converted than of the control group.

    `difference` is that of the two rates in [-1, 1], and `low` to `high` its confidence interval; `relative` is the
    difference in control rates (0.5: half as much again), None where nobody of the control group converted.
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
        """What the interval allows to say: `undecided` where it holds 0."""
        if self.low > 0:
            return "more"
        return "less" if self.high < 0 else "undecided"


def compute_uplift(receivers: Share, control: Share) -> Uplift | None:
    """The uplift of the receivers over the control group; None where either is empty: too few to say anything."""
    if not receivers.users or not control.users:
        return None
    low, high = difference_interval(receivers, control)
    rate, base = receivers.rate, control.rate
    return Uplift(rate, base, rate - base, low, high, (rate - base) / base if base else None)


def difference_interval(one: Share, other: Share, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Newcombe's hybrid score interval for `one.rate - other.rate`, not corrected for continuity; both have users."""
    low, high = wilson_interval(one, confidence)
    other_low, other_high = wilson_interval(other, confidence)
    difference = one.rate - other.rate
    below = sqrt((one.rate - low) ** 2 + (other_high - other.rate) ** 2)
    above = sqrt((high - one.rate) ** 2 + (other.rate - other_low) ** 2)
    return max(-1.0, difference - below), min(1.0, difference + above)


def wilson_interval(share: Share, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Wilson's score interval for one rate, within [0, 1]; the group has users."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    rate, users = share.rate, share.users
    middle = 2 * users * rate + z * z
    half = z * sqrt(z * z + 4 * users * rate * (1 - rate))
    low, high = ((middle + sign * half) / (2 * (users + z * z)) for sign in (-1, 1))
    # Exact at the ends, where rounding would leave a rate of 0 just above its own lower bound.
    return (0.0 if share.converted == 0 else low), (1.0 if share.converted == users else high)
