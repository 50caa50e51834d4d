"""Explain YAML that cannot be read, in one sentence each: the line, the problem, and the correction.

The library reports the place at which it gave up, often a line after the mistake; the usual mistakes are therefore
searched for in the lines around that place.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import yaml

from connector.rules.model.printable import escape_line

ODD_SPACES = "\u00a0\u2007\u202f\u3000\u200b\ufeff"
"""Characters that look like a space or like nothing, and are no white space in YAML."""
_KEY = re.compile(r"^(?P<indent>\s*(?:- +)*)(?P<key>[\w.-]+):(?: +(?P<value>.*?))?\s*$")
_BLOCK = re.compile(r":\s+[|>][+-]?\d?$")
_LIQUID = re.compile(r"\{\{|\{%")
_NO_SPACE = re.compile(r"^\s*(?:- +)?(?P<key>[A-Za-z_][\w-]*):(?P<value>[^\s/].*)$")
_MAX_SHOWN = 60
_FIRST = "FIRST"
"""The placeholder for the first character of a value."""


@dataclass(frozen=True)
class _Mistake:
    """The place at which reading failed. `line` counts from 0, like `lines`; `opened_at` is the line of the construct
    that was being read."""

    lines: Sequence[str]
    line: int
    column: int
    opened_at: int
    context: str
    problem: str

    @property
    def text(self) -> str:
        """The line at which reading failed; empty at the end of the text."""
        return self.lines[self.line] if self.line < len(self.lines) else ""

    def last_before(self) -> int:
        """Return the last line before the failure that has content."""
        return next((n for n in range(min(self.line, len(self.lines)) - 1, -1, -1) if self.lines[n].strip()), 0)


def explain_syntax(error: yaml.MarkedYAMLError, text: str) -> tuple[int, str]:
    """Return the line, from 1, of a mistake, and the problem there."""
    mark = error.problem_mark or error.context_mark
    opened = error.context_mark or mark
    if mark is None or opened is None:
        return 1, "is not YAML"
    lines = re.split("\r\n|\n|\r", text)
    mistake = _Mistake(lines, mark.line, mark.column, opened.line, str(error.context or ""), str(error.problem or ""))
    for explain in _EXPLANATIONS:
        if explained := explain(mistake):
            return explained[0] + 1, escape_line(explained[1])
    return mistake.line + 1, (
        f"is not YAML, at column {mistake.column + 1}: check the indentation, and put texts with special characters "
        "in double quotes"
    )


def explain_character(error: yaml.reader.ReaderError) -> str:
    """Return the problem of a character that YAML does not allow."""
    code = error.character if isinstance(error.character, int) else ord(str(error.character)[:1] or "\0")
    return f"has the control character U+{code:04X}, which YAML does not allow; remove it"


def quoted(text: str) -> str:
    """Return a text in quotes, as YAML accepts it; a long text is shortened."""
    shown = text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"
    return f"'{shown}'" if '"' in shown else f'"{shown}"'


_Explained = tuple[int, str] | None


def _tab(mistake: _Mistake) -> _Explained:
    for number in (mistake.line, mistake.last_before()):
        line = mistake.lines[number] if number < len(mistake.lines) else ""
        if "\t" in line[: len(line) - len(line.lstrip())]:
            return number, "is indented with a tab; YAML is indented with spaces"
    return None


def _odd_space(mistake: _Mistake) -> _Explained:
    for number in (mistake.line, mistake.last_before()):
        line = mistake.lines[number] if number < len(mistake.lines) else ""
        if found := next((c for c in line if c in ODD_SPACES), None):
            return number, f"has the character U+{ord(found):04X}, which looks like a space and is none; write a space"
    return None


def _bad_escape(mistake: _Mistake) -> _Explained:
    if "escape" not in mistake.problem:
        return None
    if "Unicode" in mistake.problem:
        return mistake.line, "has half of a character, like \\ud83d, in double quotes; write the whole character"
    return mistake.line, (
        "has a backslash in double quotes that begins no escape; write \\\\ for a backslash, or use single quotes"
    )


def _unclosed_quotes(mistake: _Mistake) -> _Explained:
    if "quoted scalar" not in mistake.context:
        return None
    opened = mistake.lines[mistake.opened_at]
    quote = next((c for c in opened if c in "\"'"), '"')
    return mistake.opened_at, f"a text begins with {quote} and has no {quote} at its end"


def _liquid(mistake: _Mistake) -> _Explained:
    return _explain_value(mistake, lambda value: bool(_LIQUID.search(value)), "a text with {{ }} or {% %} is quoted")


def _colon(mistake: _Mistake) -> _Explained:
    return _explain_value(mistake, lambda value: ": " in value or value.endswith(":"), "a text with a colon is quoted")


def _special_beginning(mistake: _Mistake) -> _Explained:
    problem = f"a text that begins with {_FIRST} is quoted"
    return _explain_value(mistake, lambda value: value[0] in "@`%*&!,}]?|>-", problem)


def _explain_value(mistake: _Mistake, is_wrong: Callable[[str], bool], problem: str) -> _Explained:
    """Return the problem of an unquoted value in the line of the failure; None if the value is right."""
    match = _KEY.match(mistake.text)
    value = (match["value"] or "") if match else ""
    if match is None or not value or value[0] in "\"'" or not is_wrong(value):
        return None
    if value[0] in "{[" and not value.startswith(("{{", "{%")):
        return None
    return mistake.line, f"{problem.replace(_FIRST, value[0])}: {match['key']}: {quoted(value)}"


def _quote_within(mistake: _Mistake) -> _Explained:
    match = _KEY.match(mistake.text)
    value = (match["value"] or "") if match else ""
    if value[:1] not in ("'", '"') or mistake.column <= mistake.text.index(value[0]):
        return None
    return mistake.line, _AFTER_QUOTE[value[0]]


_AFTER_QUOTE = {
    "'": "the text goes on after its closing '; write an apostrophe twice, '', or use double quotes",
    '"': 'the text goes on after its closing "; write \\" for a quotation mark within the text',
}


def _flow(mistake: _Mistake) -> _Explained:
    """Return the problem within braces or brackets; None if there is none."""
    if "flow" not in mistake.context:
        return None
    is_at_end = not any(line.strip() for line in mistake.lines[mistake.line :])
    if is_at_end and (opened := _unclosed_bracket(mistake.lines)):
        return opened
    closing = "}" if "mapping" in mistake.context else "]"
    opening = {"}": "{", "]": "["}[closing]
    if mistake.text[mistake.column : mistake.column + 1] == ":":
        return mistake.line, 'a text with a colon is quoted, like {title: "Sale: now"}'
    if mistake.opened_at != mistake.line:
        return mistake.opened_at, f"{opening} has no {closing}"
    at = mistake.text[mistake.column : mistake.column + 1]
    before = mistake.text[: mistake.column].rstrip()
    if at.isalnum() and before[-1:] in ("'", '"'):
        return mistake.line, _AFTER_QUOTE[before[-1]]
    where = f"column {mistake.column + 1}" + (f", before {at}" if at.strip() else "")
    return mistake.line, f"within {opening} {closing} there must be a comma or {closing} at {where}"


def _unclosed_bracket(lines: Sequence[str]) -> _Explained:
    """Return the last bracket that is not closed; quotes and comments do not count."""
    opened: list[tuple[int, str]] = []
    for number, line in enumerate(lines):
        for character in line:
            if character in "{[":
                opened.append((number, character))
            elif character in "}]" and opened:
                opened.pop()
    if not opened:
        return None
    number, opening = opened[-1]
    return number, f"{opening} has no {'}' if opening == '{' else ']'}"


def _after_brackets(mistake: _Mistake) -> _Explained:
    match = _KEY.match(mistake.text)
    value = (match["value"] or "") if match else ""
    if match is None or value[:1] not in ("[", "{") or value[-1] in "]}":
        return None
    return mistake.line, f"a text that begins with {value[0]} is quoted: {match['key']}: {quoted(value)}"


def _no_space_after_colon(mistake: _Mistake) -> _Explained:
    for number in (mistake.last_before(), mistake.line):
        line = mistake.lines[number] if number < len(mistake.lines) else ""
        if match := _NO_SPACE.match(line):
            return number, f"write a space after the colon: {match['key']}: {match['value'].strip()}"
    return None


def _block_text(mistake: _Mistake) -> _Explained:
    before = mistake.last_before()
    header = next((n for n in (before, before - 1) if n >= 0 and _BLOCK.search(mistake.lines[n])), None)
    if header is None:
        return None
    return header + 1, f"the text after | or > is indented more than its key in line {header + 1}"


def _no_colon(mistake: _Mistake) -> _Explained:
    before = mistake.last_before()
    for number in (before, mistake.line):
        line = mistake.lines[number].strip() if number < len(mistake.lines) else ""
        words = line.split(maxsplit=1)
        if line and ":" not in line and line[0] not in "-#{[\"'" and len(words) == 2 and words[0].isidentifier():
            return number, f"there is no colon after the key; write {words[0]}: {words[1]}"
    return None


def _indentation(mistake: _Mistake) -> _Explained:
    """Return the problem of the line's indentation, by the lines before it."""
    if not _KEY.match(mistake.text) and not mistake.text.strip().startswith("-"):
        return None
    width = len(mistake.text) - len(mistake.text.lstrip(" "))
    before = mistake.lines[mistake.last_before()]
    before_width = len(before) - len(before.lstrip(" "))
    number = mistake.last_before() + 1
    if width > before_width:
        return mistake.line, (
            f"is indented more than line {number}, which has its value already; "
            f"{_indent_by(before_width)}, not by {width}"
        )
    is_item = mistake.text.lstrip().startswith("-")
    alike = [
        line for line in mistake.lines[: mistake.line] if line.strip() and line.lstrip().startswith("-") == is_item
    ]
    widths = sorted({len(line) - len(line.lstrip(" ")) for line in alike} or {0})
    nearest = min(widths, key=lambda one: (abs(one - width), one != before_width))
    return mistake.line, (
        f"is indented like no line that it could belong to; {_indent_by(nearest)}, not by {width}"
        if nearest != width
        else f"does not belong to what stands before it; check the indentation from line {number} on"
    )


def _indent_by(count: int) -> str:
    return f"indent it by {count} space{'' if count == 1 else 's'}"


def _document(mistake: _Mistake) -> _Explained:
    if "directive" in mistake.context or "directive" in mistake.problem:
        return mistake.line, "a line that begins with % is a directive of YAML; quote a text that begins with %"
    if "document start" in mistake.problem:
        return mistake.line, "goes on after the end of a document; begin the next one with ---"
    return None


_EXPLANATIONS: tuple[Callable[[_Mistake], _Explained], ...] = (
    _tab,
    _bad_escape,
    _unclosed_quotes,
    _document,
    _quote_within,
    _liquid,
    _colon,
    _special_beginning,
    _after_brackets,
    _flow,
    _odd_space,
    _no_space_after_colon,
    _block_text,
    _no_colon,
    _indentation,
)
"""From the most certain to the vaguest."""
