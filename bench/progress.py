"""What is being measured now, told on a terminal and to nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

Progress = Callable[[str], None]


@contextmanager
def shown() -> Iterator[Progress]:
    """A spinner with the present step on standard error; silent where that is no terminal."""
    console = Console(stderr=True)
    with console.status("starting", spinner="line") as status:
        yield lambda step: status.update(step)
