"""Read timelines: JSON lines, each with an arrival and its time (design 8), or the same as a YAML list or documents.

ConnectorError
├── InvalidTimeline     lines that cannot be read, each with its number
└── NotInOrder          the lines are not in the order of time
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from zlib import crc32

from pydantic import TypeAdapter, ValidationError

from connector.definitions import parse_mapping
from connector.definitions.reading import decode_utf8
from connector.definitions.yaml_text import Document, join_path, read_documents
from connector.ingest.parsing import find_user_fault, parse_item, with_time
from connector.rules.model.campaigns import AnyDefinition
from connector.rules.model.errors import ConnectorError, DefinitionError, Fault, InvalidItem
from connector.rules.model.interactions import Item
from connector.rules.model.json_text import read_json_text
from connector.rules.model.nearest import suggestion
from connector.rules.model.printable import escape_line
from connector.rules.model.validation import describe_problem
from connector.rules.model.values import EARLIEST, Instant

ORDER_KINDS = ("publish", "stop", "resume", "archive")
_KINDS = ("user", *ORDER_KINDS, "apply", "interaction")
_MAX_SHOWN_FAULTS = 20
_INSTANT: TypeAdapter[datetime] = TypeAdapter(Instant)

Watch = Callable[[BinaryIO], AbstractContextManager[BinaryIO]]
"""Wraps an open file."""


class InvalidTimeline(ConnectorError):
    """The timeline has lines that cannot be read; nothing was simulated."""

    has_lines = True

    def __init__(self, faults: Sequence[str]) -> None:
        rest = len(faults) - _MAX_SHOWN_FAULTS
        lines = [*faults[:_MAX_SHOWN_FAULTS], *([f"and {rest} more"] if rest > 0 else [])]
        super().__init__("\n".join(map(escape_line, lines)))


class NotInOrder(ConnectorError):
    """A line is earlier than the one before it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path}: the lines are not in order of time; they are played in that order")


@dataclass(frozen=True)
class TimelineStep:
    """One line.

    Args:
        number: of the line in the file, from 1.
        at: when it arrives, UTC.
        kind: interaction, user, apply, or the verb of an order.
        value: the item, the user's changes, the definition, or the ids of the order.
    """

    number: int
    at: datetime
    kind: str
    value: Any
    allow_missed: bool = False


class Timeline:
    """A file of steps, each parsed once.

    Args:
        watch: wraps the open file, to follow how far it was read.

    Attributes:
        count: how many lines have been read, blank ones aside.
        in_order: whether these are in the order of time.
    """

    def __init__(self, path: Path, watch: Watch = nullcontext) -> None:
        self.path, self._watch = path, watch
        self.count, self.in_order = 0, True

    @property
    def can_be_read_again(self) -> bool:
        """Whether this is a file and not a pipe."""
        return self.path.is_file()

    @property
    def is_yaml(self) -> bool:
        """Whether the file's name says that it is YAML."""
        return self.path.suffix in (".yaml", ".yml")

    def steps(self, share: Share | None = None) -> Iterator[TimelineStep]:
        """Yield the steps in the order of the file; after a line that cannot be read, only check the others.

        Args:
            share: yield only its steps; of the other lines, only the time is checked.

        Raises:
            InvalidTimeline: at the end, with every line that cannot be read, and what would be right.
            NotInOrder: a step is earlier than the one before it.
        """
        for step in self._parse(share):
            if not self.in_order:
                raise NotInOrder(self.path)
            yield step
        if not self.in_order:  # by the lines of other shares
            raise NotInOrder(self.path)

    def sorted_steps(self) -> list[TimelineStep]:
        """Return the steps in the order of time; those of one instant in the order of the file.

        Raises:
            InvalidTimeline: with every line that cannot be read, and what would be right.
        """
        return sorted(self._parse(), key=lambda step: step.at)

    def _parse(self, share: Share | None = None) -> Iterator[TimelineStep]:
        self.count, self.in_order = 0, True
        faults, last = list[str](), EARLIEST
        with _open(self.path) as opened, self._watch(opened) as file:
            for line in _read_yaml(file, self.path) if self.is_yaml else _read_lines(file):
                self.count += 1
                try:
                    data = line.decode()
                    step = parse_step(data, line.number) if share is None or share.has(data) else None
                    at = step.at if step else _parse_at(data)
                except ValueError as fault:
                    faults.append(f"{self.path}: line {line.number_of(fault)}: {fault}")
                    continue
                self.in_order, last = self.in_order and at >= last, at
                if step and not faults:
                    yield step
        if faults:
            raise InvalidTimeline(faults)


@dataclass(frozen=True)
class Share:
    """The steps of some users, and those without a user: share `index`, from 0, of `count` shares."""

    index: int
    count: int

    def has(self, data: Mapping[str, Any]) -> bool:
        """Return whether a decoded line belongs to this share; a line belongs to all if it names no user."""
        user = _user_in(data)
        return not isinstance(user, str) or crc32(user.encode()) % self.count == self.index


@dataclass(frozen=True)
class _JsonLine:
    """One line of JSON, not decoded yet."""

    number: int
    text: bytes

    def decode(self) -> dict[str, Any]:
        return _decode(self.text)

    def number_of(self, _fault: ValueError) -> int:
        return self.number


@dataclass(frozen=True)
class _YamlEntry:
    """One entry of a YAML timeline: an item of a list at the top, or a whole document. `path` is its place in that."""

    document: Document
    path: str
    data: Any

    @property
    def number(self) -> int:
        return self.document.line_of(self.path)

    def decode(self) -> dict[str, Any]:
        for fault in self.document.faults:
            if fault.key == self.path or fault.key.startswith((f"{self.path}.", f"{self.path}[")) or not self.path:
                raise _YamlFault(fault.problem, fault.line or self.number)
        return _check_object(self.data)

    def number_of(self, fault: ValueError) -> int:
        """Return the line of the key that the fault's text begins with, as in "apply: delivery.delay: …"."""
        if isinstance(fault, _YamlFault):
            return fault.line
        path, rest = self.path, str(fault)
        while rest:
            key, _, rest = rest.partition(": ")
            if (inner := join_path(path, key)) not in self.document.lines:
                break
            path = inner
        return self.document.line_of(path)


class _YamlFault(ValueError):
    """A fault of the YAML itself."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.line = line


def _read_lines(file: BinaryIO) -> Iterator[_JsonLine]:
    return (_JsonLine(number, text) for number, text in enumerate(file, start=1) if text.strip())


def _read_yaml(file: BinaryIO, path: Path) -> Iterator[_YamlEntry]:
    """Yield the entries of a YAML file. Raises InvalidTimeline if it is not YAML, with the line."""
    try:
        for document in read_documents(decode_utf8(file.read(), str(path)), str(path)):
            if not isinstance(document.data, list):
                yield _YamlEntry(document, "", document.data)
                continue
            for number, data in enumerate(document.data):
                yield _YamlEntry(document, f"[{number}]", data)
    except DefinitionError as error:
        raise InvalidTimeline([_describe(fault, path) for fault in error.faults]) from None


def _describe(fault: Fault, path: Path) -> str:
    key = f"{fault.key}: " if fault.key else ""
    return f"{path}: {f'line {fault.line}: ' if fault.line else ''}{key}{fault.problem}"


def _decode(text: bytes | str) -> dict[str, Any]:
    return _check_object(read_json_text(text, is_line=True))


def _check_object(data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise ValueError('is not an object; write {"at": …, "interaction": {…}}')
    return data


def _user_in(data: Mapping[str, Any]) -> Any:
    if isinstance(item := data.get("interaction"), dict):
        return item.get("user")
    user = data.get("user")
    return user.get("id") if isinstance(user, dict) else None


def parse_step(data: Mapping[str, Any], number: int) -> TimelineStep:
    """Parse a decoded line; raises ValueError with what is wrong and what would be right."""
    kind = _kind_of(data)
    at = _parse_at(data)
    value = _PARSERS[kind](data[kind], at)
    return TimelineStep(number, at, kind, value, _parse_allow_missed(data))


def _kind_of(data: Mapping[str, Any]) -> str:
    if len(data) == 2 and "at" in data and "interaction" in data:  # the common case, checked fast
        return "interaction"
    kinds = [name for name in data if name in _KINDS]
    allowed = {"at", *_KINDS, *(["allow_missed"] if "publish" in data else [])}
    unknown = [name for name in data if name not in allowed]
    if unknown:
        right = suggestion(unknown[0], allowed, f"a line has at and one of {', '.join(_KINDS)}")
        raise ValueError(f"unknown key {unknown[0]!r}; {right}")
    if len(kinds) != 1:
        raise ValueError(f"needs exactly one of {', '.join(_KINDS)}; it has {', '.join(kinds) or 'none'}")
    return kinds[0]


def _parse_at(data: Mapping[str, Any]) -> datetime:
    if "at" not in data:
        raise ValueError("needs at: when it arrives, like 2026-03-02T12:00:00Z")
    try:
        return _INSTANT.validate_python(data["at"]).astimezone(UTC)
    except ValidationError as error:
        raise ValueError(f"at: {describe_problem(error.errors()[0])}") from None


def _parse_allow_missed(data: Mapping[str, Any]) -> bool:
    allow_missed = data.get("allow_missed", False)
    if not isinstance(allow_missed, bool):
        raise ValueError("allow_missed: must be true or false")
    return allow_missed


def _parse_ids(value: Any, _at: datetime) -> tuple[str, ...]:
    ids = [value] if isinstance(value, str) else value
    if not isinstance(ids, list) or not ids or not all(isinstance(name, str) for name in ids):
        raise ValueError("an order needs the id of a campaign or card, or a list of ids")
    return tuple(ids)


def _parse_user(value: Any, _at: datetime) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError('user: must be an object, like {"id": "u-17"}')
    if fault := find_user_fault(value):
        raise ValueError(f"user: {fault}")
    return dict(value)


def _parse_definition(value: Any, _at: datetime) -> AnyDefinition:
    try:
        return parse_mapping(value)
    except DefinitionError as error:
        raise ValueError(f"apply: {'; '.join(map(str, error.faults))}") from None


def _parse_item(value: Any, at: datetime) -> Item:
    if not isinstance(value, dict):
        raise ValueError("interaction: must be an object")
    try:
        return parse_item(with_time(value, at))
    except InvalidItem as error:
        raise ValueError(f"interaction: {error}") from None


_PARSERS = {
    "user": _parse_user,
    "apply": _parse_definition,
    "interaction": _parse_item,
    **dict.fromkeys(ORDER_KINDS, _parse_ids),
}


@contextmanager
def _open(path: Path) -> Iterator[BinaryIO]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise InvalidTimeline([f"{path}: cannot be read: {error.strerror}"]) from None
    with file:
        yield file
