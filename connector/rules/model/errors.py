"""Every error that the rules raise.

ConnectorError
├── InvalidItem          one reported interaction or event is not well formed
├── DefinitionError      a campaign, card or workspace definition is not well formed
└── OrderRefused         a publish, stop, resume or archive that the rules do not allow
"""

from __future__ import annotations

from dataclasses import dataclass


class ConnectorError(Exception):
    """Anything that this project refuses, with words that say what was wrong and what would be right."""


class InvalidItem(ConnectorError):
    """One reported item is not well formed; the others of its batch are not touched by it."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong in a definition: where it stands, what is wrong, and what would be right.

    `line` counts from 1 and is None where the definition did not come from a text; `key` is the dotted path.
    """

    key: str
    problem: str
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part is not None)
        return ": ".join(part for part in (place, self.key, self.problem) if part)


class DefinitionError(ConnectorError):
    """A definition has faults; all of them are listed, not only the first."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class OrderRefused(ConnectorError):
    """A lifecycle order breaks a rule of publishing (P1 to P7, P9, P10). Nothing of it was carried out.

    Args:
        problems: one sentence for each thing that stands in the way, with the names and the way out.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems
