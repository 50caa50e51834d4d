"""Encode the values of a template by the place at which they are written: in JSON, in a URL, in a form.

The place is read off the text that was written before, so that branches and loops need no analysis. A value can then
neither end the string, the path segment or the parameter that the author put it into, nor begin another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from copy import copy
from typing import Any, Literal, Protocol
from urllib.parse import quote

from liquid.output import LimitedStringIO
from liquid.stringify import to_liquid_string
from liquid.undefined import is_undefined

Form = Literal["json", "json_content", "url", "raw"]
_QUOTE = re.compile(r'\\.|"', re.DOTALL)
_DOT_SEGMENTS = frozenset({".", ".."})


class Encoded(str):
    """A text that a filter has encoded already: as JSON, as the content of a JSON string, or percent-encoded."""

    __slots__ = ("form",)
    form: Form


def encoded(text: str, form: Form) -> Encoded:
    """Return a text that is not encoded a second time in this form."""
    result = Encoded(text)
    result.form = form
    return result


def writable(value: object) -> object:
    """Return a value whose parts are written as Liquid writes them, not as Python does: `true`, and null as nothing."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return [part if isinstance(part, str) else text_of(part) for part in value]
    return value


def text_of(value: object) -> str:
    """Return a value as text, as a template writes it without encoding."""
    return to_liquid_string(writable(value), autoescape=False)


class Encoding(Protocol):
    """The state of a text that is being written, by which its next value is encoded."""

    def encode(self, value: Any) -> str:
        """Return the value in the encoding of its place."""

    def follow(self, text: str) -> None:
        """Note text that is written without encoding."""


class EncodingBuffer(LimitedStringIO):
    """Receives a template's output, and encodes values by their place."""

    def __init__(self, limit: int, encoding: Encoding) -> None:
        super().__init__(limit)
        self._encoding = encoding

    def write_value(self, value: Any) -> int:
        """Write a value in the encoding of its place."""
        if isinstance(value, Encoded) and value.form == "raw":
            return self.write(str(value))
        return super().write(self._encoding.encode(None if is_undefined(value) else value))

    def write(self, text: str) -> int:
        """Write the author's text, or a value that the author does not want encoded."""
        self._encoding.follow(text)
        return super().write(text)

    def part(self) -> EncodingBuffer:
        """Return a buffer for output that continues here, and may be written later."""
        return EncodingBuffer(self.limit - self.size, copy(self._encoding))


class _Json:
    """JSON text: within quotes a value is the content of the string, elsewhere it is a JSON value of its own."""

    def __init__(self) -> None:
        self._in_string = self._after_backslash = False

    def encode(self, value: Any) -> str:
        form = value.form if isinstance(value, Encoded) else None
        if not self._in_string:
            return str(value) if form == "json" else json.dumps(_plain(value), ensure_ascii=False)
        text = text_of(value)
        content = text if form == "json_content" else json.dumps(text, ensure_ascii=False)[1:-1]
        if self._after_backslash:  # the author's lone backslash must not escape what the value begins with
            self._after_backslash, content = False, "\\" + content
        return content

    def follow(self, text: str) -> None:
        if self._after_backslash and text:
            text, self._after_backslash = text[1:], False
        end = 0
        for match in _QUOTE.finditer(text):
            end = match.end()
            if match[0] == '"':
                self._in_string = not self._in_string
        self._after_backslash = self._in_string and text.endswith("\\") and end < len(text)


class _Url:
    """A URL: a value is percent-encoded, except one that begins the URL."""

    def __init__(self, before: str = "") -> None:
        self._before = before

    def encode(self, value: Any) -> str:
        text = text_of(value)
        if not self._before:
            self.follow(text)
            return text
        if text in _DOT_SEGMENTS:
            return text.replace(".", "%2E")
        return text if isinstance(value, Encoded) and value.form == "url" else quote(text, safe="")

    def follow(self, text: str) -> None:
        self._before = self._before or text.strip()[:1]


ENCODINGS: dict[str, Callable[[], Encoding]] = {"json": _Json, "url": _Url, "form": lambda: _Url(before="&")}
"""The encodings by place; in a form every value is percent-encoded, as after the beginning of a URL."""


def _plain(value: Any) -> Any:
    """Return a value that JSON can express: ranges and Liquid's own objects become text."""
    if value is None or isinstance(value, str | bool | int | float | list | tuple | dict):
        return value
    return text_of(value)
