"""Write plain data as YAML text that `yaml_text` reads as the same data, in the style of the examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from connector.definitions.yaml_text import parse_scalar

Style = Literal["", "'", '"', "|", ">"] | None
"""The style of a scalar as PyYAML names it: plain, quoted, or a block; None: whichever is shortest."""

INDENT = 2
_FLOW_WIDTH = 88
"""The most characters of a mapping or list on one line."""
_BLOCK_KEYS = frozenset(
    {"delivery", "messages", "variants", "trigger", "exceptions", "conversions", "email", "sms", "push", "webhook"}
    | {"in_app_message", "content_card", "news_feed_card", "all", "any"}
)
"""Keys whose mappings and lists have a line for each part, however short they are."""
_OTHER_READERS = re.compile(r"(?i)y|n|yes|no|on|off|=|<<|\d{4}-\d\d?-\d\d?.*|[\d_:.,+-]+")
"""Plain texts that other YAML readers take for booleans, dates or numbers."""
_PLAIN = re.compile(r"[^\W\d_](?:[\w ./@+%€$£!?()&;~^*|<>=\"'’…–—-]|[,:#](?=[^\s,\[\]{}]))*[.!?…]?")
_PLAIN_IN_FLOW = re.compile(r"\d+ [a-z]+|[^\W\d_][\w ./@+%!?'’-]*")
_PLAIN_KEY = re.compile(r"[A-Za-z_][\w.-]*")


def write_document(data: Mapping[str, Any]) -> str:
    """Return a mapping as a YAML document."""
    return "\n".join(block_lines(data)) + "\n"


def write_scalar(value: Any, *, in_flow: bool = False, style: Style = None) -> str:
    """Return a scalar on one line. A text keeps `style` if it can have it."""
    if not isinstance(value, str):
        return json.dumps(value)
    if style not in ("'", '"') and _can_be_plain(value, in_flow):
        return value
    if style == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return _double_quoted(value)


def write_flow(value: Any) -> str:
    """Return a value on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{write_key(key)}: {write_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(write_flow, value)) + "]"
    return write_scalar(value, in_flow=True)


def write_key(key: str) -> str:
    """Return a key of a mapping."""
    return key if _PLAIN_KEY.fullmatch(key) and _can_be_plain(key, True) else _double_quoted(key)


def block_lines(value: Mapping[str, Any] | Sequence[Any]) -> list[str]:
    """Return the lines of a mapping or list that is not empty, a line or more for each part."""
    if isinstance(value, Mapping):
        return [line for key, inner in value.items() for line in entry_lines(key, inner)]
    return [line for inner in value for line in item_lines(inner)]


def entry_lines(key: str, value: Any) -> list[str]:
    """Return the lines of one entry of a mapping."""
    head = f"{write_key(key)}:"
    if is_block(key, value):
        return [head, *_indented(block_lines(value))]
    if isinstance(value, str) and can_be_literal(value):
        return [f"{head} {literal_header(value)}", *_indented(literal_lines(value))]
    return [f"{head} {write_flow(value) if isinstance(value, Mapping | list | tuple) else write_scalar(value)}"]


def item_lines(value: Any) -> list[str]:
    """Return the lines of one item of a list."""
    if is_block("", value):
        first, *rest = block_lines(value)
        return [f"- {first}", *_indented(rest)]
    if isinstance(value, str) and can_be_literal(value):
        return [f"- {literal_header(value)}", *_indented(literal_lines(value))]
    return [f"- {write_flow(value) if isinstance(value, Mapping | list | tuple) else write_scalar(value)}"]


def is_block(key: str, value: Any) -> bool:
    """Return whether a value of this key is written on several lines."""
    if not isinstance(value, Mapping | list | tuple) or not value:
        return False
    if key in _BLOCK_KEYS and (len(value) > 1 or key != "delivery"):
        return True
    return any("\n" in text for text in _texts(value)) or len(write_flow(value)) > _FLOW_WIDTH


def can_be_literal(value: str) -> bool:
    """Return whether a text can be written after a `|`: it has several lines, and one line break at its end or none.

    More of them would make the blank lines that follow a part of the text.
    """
    lines = value.removesuffix("\n").split("\n")
    if not lines[-1] or (len(lines) < 2 and not value.endswith("\n")):
        return False
    is_plain = all(line.isprintable() and (not line or line.strip()) for line in lines)
    return is_plain and bool(lines[0]) and lines[0][0] != " "


def literal_header(value: str) -> str:
    """Return the indicator of a literal text: whether it ends with a line break."""
    return "|" if value.endswith("\n") else "|-"


def literal_lines(value: str) -> list[str]:
    """Return the lines of a literal text."""
    return value.removesuffix("\n").split("\n")


def _can_be_plain(value: str, in_flow: bool) -> bool:
    is_plain = _PLAIN_IN_FLOW.fullmatch(value) or (not in_flow and _PLAIN.fullmatch(value))
    if not is_plain or value != value.strip() or _OTHER_READERS.fullmatch(value):
        return False
    return len(value) < 400 and type(parse_scalar(value)) is str


def _double_quoted(value: str) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def _indented(lines: Sequence[str], width: int = INDENT) -> list[str]:
    return [f"{' ' * width}{line}" if line else line for line in lines]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
