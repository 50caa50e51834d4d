"""The figures of a measurement: two medians, their ratio, and the aim. Also the display of its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from rich.console import Console

Progress = Callable[[str], None]
"""Called with each step of a measurement."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of the measurements. Quick sizes show that the bench works; their ratios mean little."""

    rounds: int
    starts: int
    accepted: int
    drains: int
    batches: int
    few_campaigns: int
    many_campaigns: int
    many_waiting: int
    simulated_items: int
    simulated_campaigns: int

    @property
    def few_waiting(self) -> int:
        """The number of waiting follow-ups to compare with: a twentieth of `many_waiting`."""
        return max(1, self.many_waiting // 20)


FULL = Sizes(
    rounds=5, starts=1000, accepted=2000, drains=500, batches=10,
    few_campaigns=10, many_campaigns=10_000, many_waiting=20_000,
    simulated_items=100_000, simulated_campaigns=100,
)  # fmt: skip
QUICK = Sizes(
    rounds=1, starts=40, accepted=100, drains=20, batches=1,
    few_campaigns=10, many_campaigns=100, many_waiting=40,
    simulated_items=1_000, simulated_campaigns=10,
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    `ours` and `baseline` are medians over the rounds, in `unit`. The ratio is the median of the rounds' ratios, so that
    it does not change if the machine becomes slower halfway.
    """

    name: str
    unit: str
    baseline_is: str
    ours: float
    baseline: float
    ratio: float
    aim: float | None
    better: Literal["higher", "lower"]

    @property
    def met(self) -> bool:
        """Whether the ratio is at least, or at most, the aim; always true without an aim."""
        if self.aim is None:
            return True
        return self.ratio >= self.aim if self.better == "higher" else self.ratio <= self.aim

    def as_dict(self) -> dict[str, Any]:
        """Return the figure for `--json`."""
        return {**asdict(self), "met": self.met}


def figure(
    name: str,
    unit: str,
    baseline_is: str,
    rounds: Sequence[tuple[float, float]],
    *,
    aim: float | None,
    better: Literal["higher", "lower"],
) -> Figure:
    """Return the figure of rounds, each (ours, baseline) measured directly one after the other."""
    return Figure(
        name=name,
        unit=unit,
        baseline_is=baseline_is,
        ours=median(ours for ours, _ in rounds),
        baseline=median(baseline for _, baseline in rounds),
        ratio=median(ours / baseline for ours, baseline in rounds),
        aim=aim,
        better=better,
    )


@contextmanager
def show_progress() -> Iterator[Progress]:
    """Show a spinner with the current step on standard error; nothing if that is no terminal."""
    console = Console(stderr=True)
    with console.status("starting", spinner="line") as status:
        yield lambda step: status.update(step)
