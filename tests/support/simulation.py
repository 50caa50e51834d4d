"""Results of `connector simulate`, and the types of the fixtures that run it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Run:
    """Exit code, standard output and standard error of one run."""

    code: int
    out: str
    err: str

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Connector = Callable[..., Run]
"""Runs the command line, or simulates definitions and lines."""

Play = Callable[..., list[str]]
"""Simulates definitions and lines, and returns each outcome in short."""
