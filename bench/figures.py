"""The figures of a measurement: medians over its rounds, their ratio, and the aims that they are held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

Sample = tuple[float, float | None]
"""One round: the connector's figure, and the baseline's, measured directly before or after it."""


@dataclass(frozen=True)
class Aim:
    """A bound of a figure: of its ratio to the baseline, or of the connector's own value."""

    of: Literal["ratio", "ours"]
    sign: Literal["≥", "≤"]
    bound: float

    def is_met(self, value: float) -> bool:
        """Return whether the value is on the right side of the bound."""
        return value >= self.bound if self.sign == "≥" else value <= self.bound


@dataclass(frozen=True)
class Row:
    """One row of the table before it is measured."""

    name: str
    unit: str
    baseline_is: str | None = None
    aims: tuple[Aim, ...] = ()

    def figure(self, rounds: Sequence[Sample]) -> Figure:
        """Return the figure of these rounds.

        The ratio is the median of the rounds' ratios, so that it does not change if the machine becomes slower halfway.
        """
        baselines = [baseline for _, baseline in rounds if baseline is not None]
        ratios = _ratios(rounds)
        return Figure(
            name=self.name,
            unit=self.unit,
            baseline_is=self.baseline_is,
            ours=median(ours for ours, _ in rounds),
            baseline=median(baselines) if baselines else None,
            ratio=median(ratios) if ratios else None,
            spread=self.spread(rounds),
            rounds=len(rounds),
            aims=self.aims,
        )

    def spread(self, rounds: Sequence[Sample]) -> float:
        """Return half the width of the interval in which the median lies, relative to it.

        The interval is between order statistics, so that it assumes nothing about the distribution: with 3 rounds it
        holds the median with 75 %, with 5 and more with 90 % or more.
        """
        values = sorted(_ratios(rounds) or [ours for ours, _ in rounds])
        outliers = max(0, (len(values) - 5) // 3)
        low, high = values[outliers], values[-1 - outliers]
        return (high - low) / 2 / median(values)


def _ratios(rounds: Sequence[Sample]) -> list[float]:
    return [ours / baseline for ours, baseline in rounds if baseline is not None]


@dataclass(frozen=True)
class Figure:
    """One row of the table. `ours` and `baseline` are medians over the rounds, in `unit`; `spread` is relative."""

    name: str
    unit: str
    baseline_is: str | None
    ours: float
    baseline: float | None
    ratio: float | None
    spread: float
    rounds: int
    aims: tuple[Aim, ...]

    @property
    def missed(self) -> tuple[Aim, ...]:
        """The aims that are not met."""
        values = {"ratio": self.ratio, "ours": self.ours}
        return tuple(aim for aim in self.aims if (value := values[aim.of]) is None or not aim.is_met(value))

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for `--json`."""
        return {**asdict(self), "met": not self.missed}


def at_least(bound: float, of: Literal["ratio", "ours"] = "ratio") -> Aim:
    """Return an aim for a rate."""
    return Aim(of, "≥", bound)


def at_most(bound: float, of: Literal["ratio", "ours"] = "ratio") -> Aim:
    """Return an aim for a time or a size."""
    return Aim(of, "≤", bound)
