"""The bench itself: sizes, databases and progress, and how often a measurement is repeated."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from bench.databases import Databases
from bench.figures import Figure, Row, Sample

Progress = Callable[[str], None]
"""Called with each step of a measurement."""
NARROW = 0.05
"""A spread of the median that is small enough to stop: two such runs agree within 10 %."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of the measurements. Quick sizes show that the bench works; their ratios mean little.

    A measurement is repeated until its medians are narrow, at least `min_rounds` and at most `max_rounds` times, and
    not again once it has taken `seconds`.
    """

    min_rounds: int = 3
    max_rounds: int = 9
    seconds: float = 50
    warm_ups: int = 50
    starts: int = 1000
    accepted: int = 1500
    drains: int = 300
    messages: int = 3000
    batches: int = 10
    many_campaigns: int = 10_000
    many_waiting: int = 5_000
    latencies: int = 120
    backlog: int = 3000
    logged: int = 30_000
    old_rows: int = 1_000_000
    paced: int = 300
    late_items: int = 15
    simulated_items: int = 100_000
    simulated_campaigns: int = 100
    command_starts: int = 5
    sized: int = 1000
    asked: int = 1_000_000
    open_pages: int = 100


QUICK = Sizes(
    min_rounds=1, max_rounds=1, warm_ups=2, starts=20, accepted=100, drains=20, messages=20, batches=1,
    many_campaigns=100, many_waiting=40, latencies=5, backlog=20, logged=200, late_items=2, simulated_items=1000,
    simulated_campaigns=10, command_starts=1, sized=50, old_rows=1000,
    paced=5, asked=1000, open_pages=2,
)  # fmt: skip


@dataclass(frozen=True)
class Bench:
    """The sizes, the databases and the progress that every measurement gets.

    Args:
        folder: for databases and logs; deleted at the end.
    """

    sizes: Sizes
    folder: Path
    databases: Databases
    progress: Progress

    async def repeat(
        self, name: str, rows: Sequence[Row], measure: Callable[[int], Awaitable[Sequence[Sample]]]
    ) -> list[Figure]:
        """Measure rounds until their medians are narrow, and return the figures.

        Args:
            measure: measures one round, given its number from 0, and returns a sample for each row.
        """
        rounds: list[Sequence[Sample]] = []
        started_at = perf_counter()
        while not self._is_enough(rows, rounds, perf_counter() - started_at):
            self.progress(f"{name}, round {len(rounds) + 1}")
            rounds.append(await measure(len(rounds)))
        return [row.figure([samples[number] for samples in rounds]) for number, row in enumerate(rows)]

    def _is_enough(self, rows: Sequence[Row], rounds: Sequence[Sequence[Sample]], seconds: float) -> bool:
        if len(rounds) < self.sizes.min_rounds:
            return False
        if len(rounds) >= self.sizes.max_rounds or seconds > self.sizes.seconds:
            return True
        return all(row.spread([samples[i] for samples in rounds]) <= NARROW for i, row in enumerate(rows))
