"""Describe pydantic's errors in the words of this project; a sentence of the library never reaches a user."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from connector.rules.model.nearest import nearest
from connector.rules.model.values import ID_PATTERN, UNKNOWN_FORM, show_value

_PATTERNS = {
    ID_PATTERN: (
        "is not an id; write up to 128 letters, digits, dots, hyphens and underscores, beginning with a letter or digit"
    ),
    r"^properties\.[^.].*$": "must name a property, like properties.sku",
    r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}$": 'must be a quoted "YYYY-MM-DD HH:MM"',
    "^(POST|PUT|PATCH|GET|DELETE)$": "must be one of POST, PUT, PATCH, GET, DELETE",
}
_MAPPING = "must be a mapping of keys to values"
_NUMBER = "must be a number"
_WHOLE = "must be a whole number"
_BOOLEAN = "must be true or false"
_TIME = "is not a time; write one with its zone, like 2026-03-02T12:00:00Z"
QUOTE_IT = "must be text; quote it: "


def describe_problem(error: Mapping[str, Any]) -> str:
    """Return the problem and the correction, as a clause that follows the key; the clause may quote the value.

    Args:
        error: one of `ValidationError.errors()`.
    """
    describe = _DESCRIPTIONS.get(error["type"])
    return describe(error) if describe else "has a value that is not accepted here"


def describe_secretly(error: Mapping[str, Any]) -> str:
    """Return the same for a value that may be a secret, without quoting it."""
    return describe_problem({**error, "input": "the value"}).replace("'the value'", "the value")


def _own_words(error: Mapping[str, Any]) -> str:
    """Return the message of one of this project's validators."""
    if isinstance((error.get("ctx") or {}).get("error"), UnicodeError):
        return "has half of a character, like \\ud83d; write the whole character"
    return str(error["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")


def _literal(error: Mapping[str, Any]) -> str:
    expected = str(error["ctx"]["expected"]).replace("'", "").replace(" or ", ", ")
    return _one_of(error["input"], expected)


def _unknown_type(error: Mapping[str, Any]) -> str:
    written = error["input"].get("type") if isinstance(error["input"], dict) else error["ctx"]["tag"]
    return "type " + _one_of(written, str(error["ctx"]["expected_tags"]).replace("'", ""))


def _one_of(word: Any, expected: str) -> str:
    correction = nearest(str(word), expected.split(", ")) if isinstance(word, str) else None
    shown = show_value(word)
    return f"{shown} is not known; did you mean {correction}?" if correction else f"{shown} is not one of {expected}"


def quote_it(written: str) -> str:
    """Return the problem of a number or boolean that should be text, as it was written."""
    return f'{QUOTE_IT}"{written}"'


def _text(error: Mapping[str, Any]) -> str:
    value = error["input"]
    if isinstance(value, int | float):
        return quote_it(show_value(value))
    return "is empty; it must be text" if value is None else "must be text"


def _list(error: Mapping[str, Any]) -> str:
    return "must be a list" + ("; put it in brackets: [ … ]" if error["input"] is not None else "; write [] for none")


def _with_zone(value: Any) -> str:
    """Return a time without a zone as it would be right in UTC."""
    date = re.fullmatch(r"\d{4}-\d{2}-\d{2}(.+)?", value) if isinstance(value, str) and len(value) < 40 else None
    return "2026-03-02T12:00:00Z" if date is None else f"{value}Z" if date[1] else f"{value}T00:00:00Z"


def _unit(error: Mapping[str, Any], limit: str, unit: str) -> str:
    count = error["ctx"][limit]
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


_DESCRIPTIONS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "missing": lambda _: "is missing",
    "extra_forbidden": lambda _: "is an unknown key",
    "invalid_key": lambda _: "has a key that is not text",
    "value_error": _own_words,
    "assertion_error": _own_words,
    "literal_error": _literal,
    "enum": _literal,
    "union_tag_invalid": _unknown_type,
    "union_tag_not_found": lambda e: f"needs a {str(e['ctx']['discriminator']).strip(chr(39))}",
    UNKNOWN_FORM: lambda e: (
        f"is empty; {e['msg']}" if e["input"] is None else f"{show_value(e['input'])} is not understood: {e['msg']}"
    ),
    **dict.fromkeys(("string_type", "string_sub_type", "bytes_type"), _text),
    **dict.fromkeys(("tuple_type", "list_type", "set_type", "frozen_set_type", "iterable_type", "deque_type"), _list),
    **dict.fromkeys(
        ("model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type"),
        lambda e: f"is empty; it {_MAPPING}" if e["input"] is None else _MAPPING,
    ),
    "string_pattern_mismatch": lambda e: (
        f"{show_value(e['input'])} {_PATTERNS.get(e['ctx']['pattern'], 'does not have the form that is expected here')}"
    ),
    "string_too_short": lambda e: (
        "must not be empty" if e["ctx"]["min_length"] == 1 else f"needs {_unit(e, 'min_length', 'character')} or more"
    ),
    "string_too_long": lambda e: f"has more than {_unit(e, 'max_length', 'character')}",
    "string_unicode": lambda _: "must be text in UTF-8, and has half of a character or a byte that is not UTF-8",
    "too_short": lambda e: f"needs at least {e['ctx']['min_length']}",
    "too_long": lambda e: f"accepts at most {e['ctx']['max_length']}",
    "greater_than": lambda e: f"must be greater than {e['ctx']['gt']}",
    "greater_than_equal": lambda e: f"must be greater than or equal to {e['ctx']['ge']}",
    "less_than": lambda e: f"must be less than {e['ctx']['lt']}",
    "less_than_equal": lambda e: f"must be less than or equal to {e['ctx']['le']}",
    "multiple_of": lambda e: f"must be a multiple of {e['ctx']['multiple_of']}",
    "finite_number": lambda _: "must be a finite number",
    **dict.fromkeys(("bool_type", "bool_parsing"), lambda _: _BOOLEAN),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), lambda _: _WHOLE),
    "int_parsing_size": lambda _: "has too many digits",
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing"), lambda _: _NUMBER),
    "timezone_aware": lambda e: f"{show_value(e['input'])} needs a time zone, like {_with_zone(e['input'])}",
    **dict.fromkeys(
        (
            "datetime_type",
            "datetime_parsing",
            "datetime_object_invalid",
            "datetime_from_date_parsing",
            "date_from_datetime_parsing",
        ),
        lambda e: f"{show_value(e['input'])} {_TIME}",
    ),
    **dict.fromkeys(
        ("date_type", "date_parsing"), lambda e: f"{show_value(e['input'])} is not a date; write one like 2026-03-02"
    ),
    **dict.fromkeys(
        ("time_type", "time_parsing"), lambda e: f"{show_value(e['input'])} is not a time of day; write one like 09:00"
    ),
    **dict.fromkeys(
        ("url_type", "url_parsing", "url_syntax_violation"),
        lambda e: f"{show_value(e['input'])} is not a URL; write one like https://shop.example/hook",
    ),
    "url_scheme": lambda e: f"must begin with {str(e['ctx']['expected_schemes']).replace(chr(39), '')}://",
    **dict.fromkeys(("uuid_type", "uuid_parsing"), lambda e: f"{show_value(e['input'])} is not a UUID"),
    **dict.fromkeys(("recursion_loop", "recursion_depth_exceeded"), lambda _: "is nested too deep"),
}
