"""Read JSON text (RFC 8259), with faults in the words of this project: the place, the problem, what would be right."""

from __future__ import annotations

import codecs
import re
from typing import Any

from pydantic_core import from_json

_PLACE = re.compile(r" at line (\d+) column (\d+)$")
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SMART_QUOTES = "“”„‟«»‘’"
_NESTED_TOO_DEEP = "is nested more than 200 levels deep"
_PROBLEMS = {
    "EOF while parsing a string": 'it ends within a text; the closing " is missing',
    "EOF while parsing a list": "it ends within a list; the closing ] is missing",
    "EOF while parsing an object": "it ends within an object; the closing } is missing",
    "EOF while parsing a value": "it ends where there should be a value",
    "expected `:`": "write a colon between a key and its value",
    "expected `,` or `}`": "write a comma before the next key, or } at the end of the object",
    "expected `,` or `]`": "write a comma before the next value, or ] at the end of the list",
    "expected ident": "write true, false or null, in lower case",
    "expected value": "there should be a value; texts are written in double quotes",
    "key must be a string": "keys are written in double quotes",
    "trailing comma": "remove the comma before the end of the list or object",
    "trailing characters": "it goes on after the end of its value",
    "invalid number": "this is not a number as JSON writes it, like 12, 0.5 or 1e3",
    "number out of range": "the number has too many digits",
    "control character": "a text has a line break, a tab or another control character; write \\n or \\t",
    "invalid escape": 'after a backslash there may be only " \\ / b f n r t or u with four hexadecimal digits',
    "unexpected end of hex escape": "\\u with a value from d800 to dbff is half of a character; write both halves",
    "lone leading surrogate": "\\u with a value from dc00 to dfff is half of a character; write both halves",
    "invalid unicode code point": "a text has a byte that is not UTF-8",
    "recursion limit exceeded": _NESTED_TOO_DEEP,
}
"""Problems, by the beginnings of the library's sentences."""
_AT = {
    "'": "texts are written in double quotes, not in single ones",
    "#": "JSON has no comments",
    "/": "JSON has no comments",
    "T": "write true in lower case",
    "F": "write false in lower case",
    "N": "write null for no value; JSON has neither None nor NaN",
    "I": "JSON has no infinite numbers",
    "u": "write null for no value",
    "+": "a number has no plus sign",
    ".": "write a digit before the decimal point, like 0.5",
    ",": "there is one comma too many",
    **dict.fromkeys(_SMART_QUOTES, 'write straight double quotes, "'),
}
"""Problems, by the character at which a key or a value should begin."""


class JsonInvalid(ValueError):
    """A text is not JSON. The message is a clause that follows the text's name, and quotes nothing of it."""


def read_json_text(text: bytes | str, *, is_line: bool = False) -> Any:
    """Return the value of a JSON text in UTF-8; a byte order mark is skipped, as RFC 8259 section 8.1 allows.

    Args:
        is_line: the text is a line of a file whose number is known, so that the place is only a column.

    Raises:
        JsonInvalid: the text is empty, not UTF-8 or not JSON, nested too deep, or has NaN or an infinite number.
    """
    data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return from_json(data, allow_inf_nan=False)
    except RecursionError:
        raise JsonInvalid(_NESTED_TOO_DEEP) from None
    except ValueError as error:
        raise JsonInvalid(_describe(data, str(error), is_line)) from None


def _describe(data: bytes, message: str, is_line: bool) -> str:
    if not data.strip():
        return "is empty"
    if data.startswith(_UTF16) or (len(data) > 1 and 0 in data[:2]):
        return "is not UTF-8 text but looks like UTF-16; save it as UTF-8"
    place = _PLACE.search(message)
    line, column = (int(place[1]), int(place[2])) if place else (1, 0)
    lines = data.split(b"\n")
    if is_not_utf8 := _undecodable(data):
        line, column = is_not_utf8
        message = "invalid unicode code point"
    at, in_characters = _character_at(lines[line - 1], column)
    where = f"column {in_characters}" if is_line else f"line {line}, column {in_characters}"
    problem = next((words for start, words in _PROBLEMS.items() if message.startswith(start)), "it is not well-formed")
    if message.startswith(("expected value", "key must be")):
        problem = _AT.get(at, problem)
    if is_line and message.startswith(("EOF", "trailing characters")):
        problem += "; each line holds one whole object"
    return f"is not JSON, at {where}: {problem}"


def _undecodable(data: bytes) -> tuple[int, int] | None:
    """Return the line and the column, in bytes, of the first byte that is not UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        return before.count(b"\n") + 1, error.start - before.rfind(b"\n")
    return None


def _character_at(line: bytes, column: int) -> tuple[str, int]:
    """Return the character at a column that counts bytes from 1, and its column in characters."""
    before, after = line[: max(column - 1, 0)], line[max(column - 1, 0) :]
    return after.decode(errors="replace")[:1], len(before.decode(errors="replace")) + 1
