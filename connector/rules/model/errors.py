"""The errors that the rules raise.

ConnectorError
├── InvalidItem          a reported interaction or event is not well-formed
├── DefinitionError      a campaign, card or workspace definition is not well-formed
└── OrderRefused         the rules do not allow a publish, stop, resume or archive
    └── DraftConflict    somebody else saved a definition since it was read
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from connector.rules.model.printable import escape_line

MAX_FAULTS = 100
"""The most faults of one definition that are described: each takes time, and data may have 100,000 of them."""


class ConnectorError(Exception):
    """The base of every error of this project. Its message has what was wrong and what would be right.

    `has_lines`: the message has several lines, in which line breaks of values are escaped.
    """

    has_lines = False


class InvalidItem(ConnectorError):
    """One reported item is not well-formed; the other items of its batch are not affected."""


@dataclass(frozen=True)
class Fault:
    """One fault of a definition: its place, what is wrong, and what would be right.

    `line` counts from 1 and is None if the definition did not come from a text; `key` is the dotted path. `id` is the
    campaign or card, for a fault of one among several.
    """

    key: str
    problem: str
    file: str | None = None
    line: int | None = None
    id: str = ""

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return escape_line(": ".join(part for part in (place, self.id, self.key, self.problem) if part))


@dataclass(frozen=True)
class Source:
    """The text that a definition was read from: its file, its first line, and the line of each key by dotted path."""

    file: str
    line: int = 1
    lines: Mapping[str, int] = field(default_factory=dict)

    def line_of(self, path: str) -> int:
        """Return the line of a dotted path, or of its longest prefix in the text."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, self.line)

    def locate(self, fault: Fault) -> Fault:
        """Return the fault with this file and the line of its key."""
        return replace(fault, file=self.file, line=self.line_of(fault.key))


class DefinitionError(ConnectorError):
    """A definition has faults. The error lists all of them, not only the first."""

    has_lines = True

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class OrderRefused(ConnectorError):
    """A lifecycle order breaks a rule of publishing (P1 to P7, P9, P10). No part of the order was applied.

    Args:
        problems: one sentence for each problem, with the names and the way out.
    """

    has_lines = True

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(map(escape_line, problems)))
        self.problems = problems


class DraftConflict(OrderRefused):
    """Somebody else saved a definition since the caller read it. Nothing was saved.

    Args:
        found: the newest saved revision of each definition in question.
    """

    def __init__(self, problems: list[str], found: Mapping[str, int]) -> None:
        super().__init__(problems)
        self.found = found
