"""A story: definitions, and a timeline of what happens to them, as `connector simulate` reads both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from connector.definitions import read_definitions
from connector.rules.model.campaigns import AnyDefinition, parse_definition
from connector.rules.publishing.drafting import as_written
from connector.simulation.timeline import TimelineStep, parse_step


@dataclass(frozen=True)
class Story:
    """Definitions and lines in wire form; the lines are in the order of their `at`.

    It ends at `until` (inclusive), or when nothing is left to happen.
    """

    definitions: Sequence[Mapping[str, Any]]
    lines: Sequence[Mapping[str, Any]]
    until: datetime | None = None

    @property
    def parsed(self) -> list[AnyDefinition]:
        """The definitions as models."""
        return [parse_definition(definition) for definition in self.definitions]

    @property
    def steps(self) -> list[tuple[TimelineStep, Mapping[str, Any]]]:
        """Each line up to the end as `simulate` reads it, and as it is written."""
        read = [(parse_step(line, number), line) for number, line in enumerate(self.lines, start=1)]
        return [(line, written) for line, written in read if self.until is None or line.at <= self.until]

    def __str__(self) -> str:
        parts = [json.dumps(part) for part in (*self.definitions, *self.lines)]
        return "\n".join([*parts, f"until {self.until}"])


def read_story(folder: Path) -> Story:
    """A worked case of `examples/behaviour`."""
    lines = [json.loads(line) for line in (folder / "timeline.jsonl").read_text().splitlines()]
    definitions = [as_written(definition) for definition in read_definitions(folder / "campaigns.yaml").all]
    return Story(definitions, sorted(lines, key=lambda line: line["at"]))
