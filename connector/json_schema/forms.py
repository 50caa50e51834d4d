"""The forms of single values as JSON Schema states them: exactly what the readers in `rules.model.values` accept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from connector.rules.model.zones import zone_names

JsonSchema = Mapping[str, Any]

_UNITS = MappingProxyType({"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800})
_LONGEST = timedelta(days=100 * 366)
_TRUE_AND_FALSE = ("true", "false", "yes", "no", "on", "off", "y", "n", "t", "f")


def duration(most: timedelta = _LONGEST, *, is_zero_allowed: bool = True) -> dict[str, Any]:
    """Return the form of a duration, "N seconds|minutes|hours|days|weeks", of at most `most`."""
    zero = "0+|" if is_zero_allowed else ""
    seconds = int(most.total_seconds())
    units = (f"(?:{zero}0*(?:{number_up_to(seconds // size)})) {unit}s?" for unit, size in _UNITS.items())
    return text_like(f"^(?:{'|'.join(units)})$", 'write a duration, like "30 minutes"')


def text_like(pattern: str, right: str) -> dict[str, Any]:
    """Return the form of a text that matches a pattern.

    Args:
        right: what would be right; editors that know the keyword show it instead of the pattern.
    """
    return {"type": "string", "pattern": pattern, "patternErrorMessage": right}


def number_up_to(limit: int) -> str:
    """Return a regular expression for the whole numbers from 1 to `limit`, without leading zeros."""
    return "|".join(_numbers_up_to(str(limit)))


def _numbers_up_to(digits: str) -> Iterator[str]:
    if len(digits) > 1:
        yield f"[1-9][0-9]{{0,{len(digits) - 2}}}"
    for place, digit in enumerate(digits):
        first, last = (1 if place == 0 else 0), int(digit) - 1
        if first <= last:
            rest = len(digits) - place - 1
            yield f"{digits[:place]}[{first}-{last}]" + (f"[0-9]{{{rest}}}" if rest else "")
    yield digits


def any_case(word: str) -> str:
    """Return a regular expression for a word in small and capital letters; JSON Schema's patterns have no flags."""
    return "".join(f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in word)


CLOCK: JsonSchema = text_like("^(?:[01][0-9]|2[0-3]):[0-5][0-9]$", 'write a quoted "HH:MM", like "09:00"')
"""A quoted "HH:MM"."""

_DATE = "(?!0000)[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_HOUR_AND_MINUTE = "(?:[01][0-9]|2[0-3]):[0-5][0-9]"
INSTANT: JsonSchema = text_like(
    f"^{_DATE}[Tt _]{_HOUR_AND_MINUTE}(?::[0-5][0-9](?:[.,][0-9]+)?)?(?:[Zz]|[+−-](?:[01][0-9]|2[0-3]):?[0-5][0-9])$",
    "write a time with its zone, like 2026-03-02T09:00:00+01:00",
)
"""A time with its zone, RFC 3339 and a little more."""

LOCAL_MOMENT: JsonSchema = text_like(f"^{_DATE} {_HOUR_AND_MINUTE}$", 'write a quoted "YYYY-MM-DD HH:MM"')
"""A quoted "YYYY-MM-DD HH:MM", in a zone that another key names."""

FLAG: JsonSchema = {
    "anyOf": [
        {"type": "boolean"},
        {"enum": [0, 1]},
        {"type": "string", "pattern": f"^(?:{'|'.join(map(any_case, _TRUE_AND_FALSE))}|0|1)$"},
    ]
}
"""True or false: besides the two words, the reader accepts what older YAML called a boolean."""


def zone() -> dict[str, Any]:
    """Return the form of a time zone: the names that the reader knows on every machine."""
    return {"type": "string", "enum": list(zone_names())}


def present(*keys: str) -> dict[str, Any]:
    """Return the condition that a mapping has these keys, and none of them is null: for the reader, null is absent."""
    return {"type": "object", "required": list(keys), "properties": {key: {"not": {"type": "null"}} for key in keys}}
