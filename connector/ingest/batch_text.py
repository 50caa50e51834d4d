"""Read the JSON of a batch such that one bad item of a batch does not make the others unreadable.

RFC 8259, section 8.2, leaves it open what a reader does with an unpaired surrogate, and SDKs that cut texts send them.
The strict reader refuses the whole text. If it does, this reader reads the text again and keeps each unreadable part as
a value that no database can store: a lone surrogate for an unpaired one, for a byte that is not UTF-8 and for an
invalid escape; an infinite number for `NaN`, `Infinity` and endless digits. `storage_problem` then refuses only the
item that holds such a value.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

from connector.rules.model.json_text import JsonInvalid, read_json_text

_MAX_DIGITS = 4300
"""Python converts no more digits to an integer, because that takes quadratic time."""

_MAX_DEPTH = 250
"""Parts that are nested more deeply are left out; `storage_problem` refuses an item of far fewer levels."""

_MAX_DEEP_CHARACTERS = 2 * 1024 * 1024
"""A longer text that is nested too deeply is refused as a whole: its brackets are counted in Python."""

_ESCAPE = re.compile(r'\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})|\\')
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]+|[\]}]+', re.DOTALL)


def read_batch_text(body: bytes | str) -> Any:
    """Return the JSON value of a text; its unreadable parts are values that `storage_problem` refuses.

    Raises:
        JsonInvalid: the tolerant reader cannot read the text either; the message is the strict reader's, and quotes
            nothing of the text.
    """
    try:
        return read_json_text(body)
    except JsonInvalid:
        data = body.encode(errors="surrogatepass") if isinstance(body, str) else body
        try:
            return _read_tolerantly(data.removeprefix(codecs.BOM_UTF8).decode(errors="surrogateescape"))
        except (ValueError, RecursionError):
            pass
        raise


def _read_tolerantly(text: str) -> Any:
    try:
        return _load_nested(text)
    except ValueError:
        return _load_nested(_ESCAPE.sub(_valid_escape, text))


def _load_nested(text: str) -> Any:
    try:
        return _load(text)
    except RecursionError:
        if len(text) > _MAX_DEEP_CHARACTERS:
            raise
        return _load(_without_deep_parts(text))


def _load(text: str) -> Any:
    return json.loads(text, parse_int=_integer, strict=False)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


def _valid_escape(match: re.Match[str]) -> str:
    return match[0] if len(match[0]) > 1 else "\\ud800"


def _without_deep_parts(text: str) -> str:
    """Return the text with `null` for every part that is nested deeper than `_MAX_DEPTH`."""
    kept, depth, position = list[str](), 0, 0
    for token in _TOKEN.finditer(text):
        brackets = token[0]
        if brackets[0] == '"':
            continue
        if brackets[0] in "[{":
            if depth <= _MAX_DEPTH < depth + len(brackets):
                kept.append(text[position : token.start() + _MAX_DEPTH - depth] + "null")
            depth += len(brackets)
        else:
            if depth - len(brackets) <= _MAX_DEPTH < depth:
                position = token.start() + depth - _MAX_DEPTH
            depth -= len(brackets)
    return "".join([*kept, text[position:]])
