"""Parse YAML into plain data with line numbers: the core schema of YAML 1.2, without aliases and tags.

Timestamps stay text, only true and false are booleans, and an unquoted wall-clock time is a fault, because YAML parsers
disagree on its meaning.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import yaml

from connector.definitions.yaml_faults import ODD_SPACES, explain_character, explain_syntax, quoted
from connector.rules.model.errors import DefinitionError, Fault, Source
from connector.rules.model.validation import QUOTE_IT, quote_it
from connector.rules.model.values import UnquotedTime

MAX_DEPTH = 50
"""The nesting limit of mappings and lists; only predicates can nest freely."""

_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TYPOGRAPHIC = re.compile("[“„‟].*[”“]|[‘‚].*[’‘]|«.*»", re.DOTALL)
_QUOTE_LIQUID = 'a text with {{ }} is quoted, like "{{ user.first_name }}"'
_WALL_CLOCK = re.compile(r"\d{1,2}:\d{2}(:\d{2})?")
_NO_SPACE = re.compile(r"([A-Za-z_]\w*):([^\s/].*)")
_INTEGER = re.compile(r"[-+]?\d+|0x[0-9a-fA-F]+|0o[0-7]+")
_FLOAT = re.compile(r"[-+]?(\.\d+|\d+(\.\d*)?)([eE][-+]?\d+)?")
_NOT_A_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")
}


@dataclass
class Document:
    """One document of a YAML text.

    `lines` has the line, from 1, of each dotted path, and `numbers` how an unquoted number or boolean was written;
    `faults` are YAML faults.
    """

    file: str
    line: int
    data: Any = None
    lines: dict[str, int] = field(default_factory=dict)
    numbers: dict[str, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)

    def add_fault(self, path: str, problem: str, line: int) -> None:
        """Record a fault at a line of this document."""
        self.faults.append(Fault(path, problem, self.file, line))

    def line_of(self, path: str) -> int:
        """Return the line of a dotted path, or of its longest prefix in the document."""
        return self.source.line_of(path)

    @property
    def source(self) -> Source:
        """Where the document was read from."""
        return Source(self.file, self.line, self.lines)

    def locate(self, faults: Iterable[Fault]) -> list[Fault]:
        """Return `faults` with file and line, without those whose key has a YAML fault already."""
        yaml_keys = {fault.key for fault in self.faults}
        return [
            replace(self.source.locate(fault), problem=self._as_written(fault))
            for fault in faults
            if fault.key not in yaml_keys
        ]

    def _as_written(self, fault: Fault) -> str:
        """Return the problem of a number where text is needed with the number as it was written: 010, not 10."""
        written = self.numbers.get(fault.key)
        return quote_it(written) if written is not None and fault.problem.startswith(QUOTE_IT) else fault.problem


def join_path(path: str, part: str | int) -> str:
    """Return a dotted path extended by one part, like delivery.trigger[0].alias."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    return f"{path}.{part}" if path else part


def read_documents(text: str, file: str, *, max_values: int = sys.maxsize) -> Iterator[Document]:
    """Yield the documents of a YAML text that are not empty.

    Args:
        max_values: the most values that are read, for a caller that must not wait; a text with more has a fault.

    Raises:
        DefinitionError: the text is not YAML or uses a forbidden feature; documents before the fault were yielded.
    """
    try:
        events, room = yaml.parse(text, Loader=_LOADER), iter(range(max_values))
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                document = Document(file, _line(event))
                document.data = _DocumentBuilder(events, document, text, room).value("", 1)
                next(events)  # its end, before which anything may be wrong
                if document.data is not None or document.faults:
                    yield document
    except yaml.MarkedYAMLError as error:
        line, problem = explain_syntax(error, text)
        raise DefinitionError([Fault("", problem, file, line)]) from error
    except yaml.reader.ReaderError as error:
        line = text.encode()[: error.position].count(b"\n") + 1
        raise DefinitionError([Fault("", explain_character(error), file, line)]) from error


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _DocumentBuilder:
    """Builds the data of one document from YAML events."""

    def __init__(self, events: Iterator[yaml.Event], document: Document, text: str, room: Iterator[int]) -> None:
        self._events, self._document, self._text, self._room = events, document, text, room

    def value(self, path: str, depth: int) -> Any:
        """Return the value that the next events describe."""
        return self._value(next(self._events), path, depth)

    def _value(self, event: yaml.Event, path: str, depth: int) -> Any:
        line = _line(event)
        self._document.lines.setdefault(path, line)
        if next(self._room, None) is None:
            raise self._fatal("", "there are too many values to read at once", line)
        if isinstance(event, yaml.AliasEvent):
            raise self._fatal(path, f"aliases (*{event.anchor}) are not supported; repeat the value", line)
        if depth > MAX_DEPTH:
            raise self._fatal(path, f"is nested more than {MAX_DEPTH} levels deep", line)
        if anchor := getattr(event, "anchor", None):
            problem = f"anchors (&{anchor}) are not supported; quote a text that begins with &"
            self._document.add_fault(path, problem, line)
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            self._document.add_fault(path, f"tags ({tag}) are not supported; write the plain value", line)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path, depth)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path, depth)
        assert isinstance(event, yaml.ScalarEvent)  # noqa: S101 - YAML has no other values
        return self._scalar(event, path, line)

    def _mapping(self, path: str, depth: int) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = _line(event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._fatal(path, self._key_problem(event), line)
            key_path = join_path(path, event.value)
            if event.value in mapping:
                first = self._document.lines[key_path]
                self._document.add_fault(key_path, f"is repeated, first in line {first}; keep one", line)
            if event.value == "<<":
                raise self._fatal(path, "merge keys (<<) are not supported; repeat the keys", line)
            if problem := _problem_of_key(event.value):
                self._document.add_fault(key_path, problem, line)
            self._document.lines.setdefault(key_path, line)
            value = self.value(key_path, depth + 1)
            if value is None and (found := _NO_SPACE.fullmatch(event.value)):
                self._document.add_fault(key_path, f"write a space after the colon: {found[1]}: {found[2]}", line)
            mapping.setdefault(event.value, value)
        return mapping

    def _key_problem(self, event: yaml.Event) -> str:
        """Return why a mapping or a list cannot be a key; two braces were meant as a template's."""
        mark = event.start_mark
        line = self._text.split("\n")[mark.line].strip() if mark else ""
        if (at := line.find("{{")) >= 0:
            key, value = line[:at].rstrip().removeprefix("- "), line[at:]
            return f"a text with {{{{ }}}} is quoted: {key} {quoted(value)}" if key.endswith(":") else _QUOTE_LIQUID
        return "a key must be a text, not a mapping or a list"

    def _sequence(self, path: str, depth: int) -> list[Any]:
        sequence: list[Any] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            sequence.append(self._value(event, join_path(path, len(sequence)), depth + 1))
        return sequence

    def _scalar(self, event: yaml.ScalarEvent, path: str, line: int) -> Any:
        if not event.implicit[0]:
            return event.value
        if _TYPOGRAPHIC.fullmatch(event.value):
            problem = f'is in typographic quotes; write straight ones: "{event.value[1:-1]}"'
            self._document.add_fault(path, problem, line)
        try:
            value = parse_scalar(event.value)
        except OverflowError:
            self._document.add_fault(path, "is too large a number; quote it if it is text", line)
            return event.value
        except ValueError as error:
            self._document.add_fault(path, str(error), line)
            return event.value
        if isinstance(value, bool | int | float):
            self._document.numbers[path] = event.value
        if isinstance(value, UnquotedTime):
            self._document.add_fault(path, f'must be quoted: "{value}"', line)
        return value

    def _fatal(self, path: str, problem: str, line: int) -> DefinitionError:
        return DefinitionError([*self._document.faults, Fault(path, problem, self._document.file, line)])


def _problem_of_key(key: str) -> str | None:
    """Return the problem of a key's characters; None if there is none."""
    if key[:1] == "-" and len(key) > 1:
        return f"write a space after the dash: - {key[1:]}"
    if found := next((character for character in key if character in ODD_SPACES), None):
        return f"has the character U+{ord(found):04X}, which looks like a space and is none; write a space"
    if found := next((character for character in key if character in "“”„‟‘’«»"), None):
        return f"has the quotation mark {found}; YAML knows only straight ones, \" and '"
    return None


def parse_scalar(text: str) -> Any:
    """Return the value of a plain scalar; raises ValueError for numbers that JSON cannot express."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _WALL_CLOCK.fullmatch(text):
        return UnquotedTime(text)
    if len(text) > 400 or text[0] not in "+-.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
    if _NOT_A_NUMBER.fullmatch(text) or (_FLOAT.fullmatch(text) and math.isinf(float(text))):
        raise ValueError(f"{text} is not a finite number; quote it if it is text")
    return float(text) if _FLOAT.fullmatch(text) else text
