"""YAML as plain data that remembers its lines: the core schema of YAML 1.2, without aliases and tags.

Timestamps stay text, only true and false are booleans, and a wall-clock time without quotes is a fault, because readers
of YAML disagree on what it means.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from connector.rules.model.errors import DefinitionError, Fault
from connector.rules.model.values import UnquotedTime

MAX_DEPTH = 50
"""How deep mappings and lists may be nested; predicates are the only thing that nests at will."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_INTEGER = re.compile(r"[-+]?\d+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}


@dataclass
class Document:
    """One document of a YAML text. `lines` has the line, from 1, of each dotted path; `faults` are the YAML's own."""

    file: str
    line: int
    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add_fault(self, path: str, problem: str, line: int) -> None:
        """Note a fault at a line of this document."""
        self.faults.append(Fault(path, problem, self.file, line))

    def line_of(self, path: str) -> int:
        """The line of the longest part of a dotted path that is there."""
        while path and path not in self.lines:
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return self.lines.get(path, self.line)


def join_path(path: str, part: str | int) -> str:
    """A path with one more part: delivery.trigger[0].alias."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if path else part


def read_documents(text: str, file: str) -> Iterator[Document]:
    """The documents of a YAML text, empty ones left out.

    Raises:
        DefinitionError: the text is not YAML, or uses what is not allowed; documents before the fault came out already.
    """
    try:
        events = yaml.parse(text, Loader=_LOADER)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                document = Document(file, _line(event))
                document.data = _DocumentBuilder(events, document).value("", 1)
                if document.data is not None or document.faults:
                    yield document
    except yaml.MarkedYAMLError as error:
        raise DefinitionError([_syntax_fault(error, file)]) from error
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise DefinitionError([Fault("", f"is not YAML text: {error.reason}", file, line)]) from error


def _syntax_fault(error: yaml.MarkedYAMLError, file: str) -> Fault:
    mark = error.problem_mark or error.context_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    if mark is None:
        return Fault("", f"is not YAML: {said}", file)
    return Fault("", f"is not YAML, at column {mark.column + 1}: {said}", file, mark.line + 1)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _DocumentBuilder:
    """Builds the data of one document from YAML's events."""

    def __init__(self, events: Iterator[yaml.Event], document: Document) -> None:
        self._events, self._document = events, document

    def value(self, path: str, depth: int) -> Any:
        """The value that the next events make."""
        return self._value(next(self._events), path, depth)

    def _value(self, event: yaml.Event, path: str, depth: int) -> Any:
        line = _line(event)
        self._document.lines.setdefault(path, line)
        if isinstance(event, yaml.AliasEvent):
            raise self._refusal(path, f"aliases (*{event.anchor}) are not used here; write it out", line)
        if depth > MAX_DEPTH:
            raise self._refusal(path, f"is nested more than {MAX_DEPTH} deep", line)
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            self._document.add_fault(path, f"tags ({tag}) are not used here; write the plain value", line)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - YAML has no other values
        return self._scalar(event, path, line)

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refusal(path, "a key must be a plain word", line)
            inner = join_path(path, event.value)
            if event.value in found:
                first = self._document.lines[inner]
                self._document.add_fault(inner, f"stands twice in one mapping, first in line {first}; keep one", line)
            self._document.lines.setdefault(inner, line)
            value = self.value(inner, depth + 1)
            found.setdefault(event.value, value)
        return found

    def _sequence(self, path: str, depth: int) -> list[Any]:
        found: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.append(self._value(event, join_path(path, len(found)), depth + 1))
        return found

    def _scalar(self, event: yaml.ScalarEvent, path: str, line: int) -> Any:
        if not event.implicit[0]:
            return event.value
        try:
            value = parse_scalar(event.value)
        except ValueError as error:
            self._document.add_fault(path, str(error), line)
            return event.value
        if isinstance(value, UnquotedTime):
            self._document.add_fault(path, f'must be quoted: "{value}"', line)
        return value

    def _refusal(self, path: str, problem: str, line: int) -> DefinitionError:
        return DefinitionError([*self._document.faults, Fault(path, problem, self._document.file, line)])


def parse_scalar(text: str) -> Any:
    """What a plain scalar means; raises ValueError for numbers that JSON does not know."""
    if text in _WORDS:
        return _WORDS[text]
    if _CLOCK.fullmatch(text):
        return UnquotedTime(text)
    if len(text) > 400 or text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _NOT_A_NUMBER.fullmatch(text) or (_FLOAT.fullmatch(text) and math.isinf(float(text))):
        raise ValueError(f"{text} is not a number that can be kept; quote it if it is a text")
    return float(text) if _FLOAT.fullmatch(text) else text
