"""How a value of a definition is shown in a field, and what a field's text means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from connector.definitions.yaml_text import parse_scalar
from connector.definitions.yaml_writing import write_scalar

_DURATION = re.compile(r"(\d{1,9}) (second|minute|hour|day|week)s?")
UNITS = ("seconds", "minutes", "hours", "days", "weeks")


@dataclass(frozen=True)
class Codec:
    """A pair of functions: from a value to a field's text (None: the field cannot show it), and back.

    `write` returns None for what removes the value.
    """

    show: Callable[[Any], str | None]
    write: Callable[[str], Any]


def show_text(value: Any) -> str | None:
    """Return a scalar as a text without quotes; None for a mapping or a list."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return None
    return value if isinstance(value, str) else write_scalar(value)


def show_scalar(value: Any) -> str | None:
    """Return a scalar such that `read_scalar` returns it again: a text that looks like a number is in quotes."""
    if isinstance(value, str):
        return f'"{value}"' if value and (read_scalar(value) != value or value != value.strip()) else value
    return "null" if value is None else show_text(value)


def read_scalar(text: str) -> Any:
    """Return the value that a text means: a number, true, false, null, or the text; quotes make it a text."""
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    if not text:
        return text
    try:
        value = parse_scalar(text)
    except (ValueError, OverflowError):
        return text
    return str(value) if isinstance(value, str) else value


def read_duration(value: Any) -> tuple[str, str] | None:
    """Return the number and the unit of a duration; its text and "" if it is none; None for a mapping or a list."""
    text = show_text(value)
    match = _DURATION.fullmatch(text) if text else None
    return (match[1], f"{match[2]}s") if match else None if text is None else (text, "")


def write_duration(number: str, unit: str) -> str | None:
    """Return a duration; None without a number. What is no number stays as it is, so that its fault can be shown."""
    number = number.strip()
    if not number:
        return None
    if not number.isdecimal():
        return number
    unit = unit or "days"
    return f"{number} {unit.removesuffix('s') if int(number) == 1 else unit}"


def _write_integer(text: str) -> Any:
    text = text.strip()
    return int(text) if text.isdecimal() and len(text) < 16 else text or None


def _show_list(value: Any) -> str | None:
    if value is None:
        return ""
    shown = [show_scalar(part) for part in value] if isinstance(value, list) else [show_scalar(value)]
    return None if None in shown or any("," in (part or "") for part in shown) else ", ".join(map(str, shown))


def _write_list(text: str) -> Any:
    return [read_scalar(part.strip()) for part in text.split(",") if part.strip()] or None


def _write_block(text: str) -> Any:
    """Return a text of several lines with one line break at its end, as literal texts in YAML have it."""
    text = text.rstrip("\n")
    return f"{text}\n" if "\n" in text else text or None


TEXT = Codec(show_text, lambda text: text or None)
KEPT_TEXT = Codec(show_text, lambda text: text)
BLOCK = Codec(show_text, _write_block)
KEPT_BLOCK = Codec(show_text, lambda text: _write_block(text) or "")
INTEGER = Codec(show_text, _write_integer)
SCALAR = Codec(show_scalar, read_scalar)
LIST = Codec(_show_list, _write_list)
