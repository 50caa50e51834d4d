"""Timelines: JSON lines of what arrives when (design 8).

ConnectorError
└── BadTimeline     lines that cannot be read, each with its number
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from connector.definitions import parse_mapping
from connector.ingest.parsing import describe_validation_error, parse_item
from connector.rules.model.campaigns import Campaign, Card, Workspace
from connector.rules.model.errors import ConnectorError, DefinitionError, InvalidItem
from connector.rules.model.interactions import Item
from connector.rules.model.users import User
from connector.rules.model.values import Instant

ORDERS = ("publish", "stop", "resume", "archive")
_THINGS = ("user", *ORDERS, "apply", "interaction")
_MOST_TOLD = 20
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)


class BadTimeline(ConnectorError):
    """Lines that cannot be read; nothing was simulated."""

    def __init__(self, faults: Sequence[str]) -> None:
        rest = len(faults) - _MOST_TOLD
        super().__init__("\n".join([*faults[:_MOST_TOLD], *([f"and {rest} more"] if rest > 0 else [])]))


@dataclass(frozen=True)
class Line:
    """One line. `at` is when it arrives, UTC; `thing` is what it is, by the names of the contract.

    `value` is the item, the definition, the description of a user, or the ids of an order.
    """

    number: int
    at: datetime
    thing: str
    value: Any
    allow_missed: bool = False


@dataclass
class Timeline:
    """A file whose lines can all be read. Iterate over `lines`; `count` is how many there are."""

    path: Path
    count: int = 0
    in_order: bool = True
    _last: datetime | None = field(default=None, repr=False)

    def lines(self) -> Iterator[Line]:
        """The lines in the order of their arrival; those of one instant in the order of the file."""
        if self.in_order:
            yield from _parsed(self.path)
        else:
            yield from sorted(_parsed(self.path), key=lambda line: line.at)

    def add(self, line: Line) -> None:
        """Count a line that can be read."""
        self.in_order = self.in_order and (self._last is None or line.at >= self._last)
        self.count, self._last = self.count + 1, line.at


def read_timeline(path: Path) -> Timeline:
    """Check every line of a timeline, without keeping them.

    Raises:
        BadTimeline: with every line that cannot be read, and what would be right.
    """
    timeline, faults = Timeline(path), list[str]()
    with _open(path) as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                try:
                    timeline.add(parse_line(text, number))
                except ValueError as fault:
                    faults.append(f"{path}: line {number}: {fault}")
    if faults:
        raise BadTimeline(faults)
    return timeline


def parse_line(text: bytes | str, number: int) -> Line:
    """One line; raises ValueError with what is wrong with it and what would be right."""
    try:
        data = from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise ValueError(f"is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise ValueError('is not an object; write {"at": …, "interaction": {…}}')
    thing = _thing_of(data)
    at = _at(data)
    value = _READERS[thing](data[thing], at)
    return Line(number, at, thing, value, _flag(data))


def _thing_of(data: Mapping[str, Any]) -> str:
    if len(data) == 2 and "at" in data and "interaction" in data:  # nearly all of them
        return "interaction"
    things = [name for name in data if name in _THINGS]
    allowed = {"at", *_THINGS, *(["allow_missed"] if "publish" in data else [])}
    unknown = [name for name in data if name not in allowed]
    if unknown:
        raise ValueError(f"unknown key {unknown[0]!r}; a line has at and one of {', '.join(_THINGS)}")
    if len(things) != 1:
        raise ValueError(f"needs exactly one of {', '.join(_THINGS)}; it has {', '.join(things) or 'none'}")
    return things[0]


def _at(data: Mapping[str, Any]) -> datetime:
    if "at" not in data:
        raise ValueError("needs at: when it arrives, like 2026-03-02T12:00:00Z")
    try:
        return _INSTANT.validate_python(data["at"]).astimezone(UTC)
    except ValidationError as error:
        raise ValueError(f"at: {_words(error)}; write one with its zone, like 2026-03-02T12:00:00Z") from None


def _flag(data: Mapping[str, Any]) -> bool:
    allow_missed = data.get("allow_missed", False)
    if not isinstance(allow_missed, bool):
        raise ValueError("allow_missed: is true or false")
    return allow_missed


def _ids(value: Any, _at: datetime) -> tuple[str, ...]:
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, list) or not ids or not all(isinstance(name, str) for name in ids):
        raise ValueError("an order names a campaign or card, or a list of them")
    return tuple(ids)


def _user(value: Any, _at: datetime) -> Mapping[str, Any]:
    try:
        User.model_validate(value)
    except ValidationError as error:
        raise ValueError(f"user: {_words(error)}") from None
    return dict(value)


def _definition(value: Any, _at: datetime) -> Campaign | Card | Workspace:
    try:
        return parse_mapping(value)
    except DefinitionError as error:
        raise ValueError(f"apply: {error}") from None


def _item(value: Any, at: datetime) -> Item:
    if not isinstance(value, dict):
        raise ValueError("interaction: is not an object")
    try:
        return parse_item({"occurred_at": at, **value})
    except InvalidItem as error:
        raise ValueError(f"interaction: {error}") from None


_READERS = {"user": _user, "apply": _definition, "interaction": _item, **dict.fromkeys(ORDERS, _ids)}


def _words(error: ValidationError) -> str:
    return describe_validation_error(error.errors()[0])


def _parsed(path: Path) -> Iterator[Line]:
    with _open(path) as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                yield parse_line(text, number)


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadTimeline([f"{path}: cannot be read: {error.strerror}"]) from None
    with file:
        yield file
