"""The building blocks of every model: ids, texts, durations, times, zones, and mappings of several forms."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, time, timedelta
from difflib import get_close_matches
from typing import Annotated, Any, Literal, overload

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    StringConstraints,
    Tag,
)
from pydantic_core import to_json

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(r"(\d{1,4000}) (second|minute|hour|day|week)s?", re.ASCII)
_ALMOST_DURATION = re.compile(r"\s*(\d{1,9})\s*(s|sec|m|min|h|d|w|second|minute|hour|day|week)s?\s*", re.ASCII | re.I)
_UNITS_BY_LETTER = {"s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_PERHAPS_UNSTORABLE = (rb"\u0000", b"Infinity", b"NaN")
"""Parts of JSON text that may encode a null character or an infinite number, and are harmless otherwise."""
MAX_DEPTH = 190
"""The limit of the nesting of a JSON value that is stored; the reader of a whole body allows 200 levels."""
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


_MAX_SHOWN = 100
"""The most characters of a value that a fault quotes."""

WORD = Tag("word")
"""The tag of the plain words among the forms of a value; see `form_discriminator`."""

EARLIEST = datetime.min.replace(tzinfo=UTC)
"""The earliest instant that there is."""

UNKNOWN_FORM = "unclear_form"
"""The type of pydantic's error for a value that has none of the forms."""


class Definition(BaseModel):
    """The base of every model that people write: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class UnquotedTime(str):
    """A wall-clock time without quotes in YAML, whose meaning depends on the YAML reader."""


def show_value(value: Any) -> str:
    """Return a value as a fault quotes it: shortened, a list or mapping only by its kind and keys."""
    if value is None:
        return "an empty value"
    if isinstance(value, list | tuple):
        return "a list"
    if isinstance(value, dict):
        text = f"a mapping of {', '.join(map(str, value))}" if value else "an empty mapping"
    else:
        text = ("false", "true")[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…"


def parse_duration(value: Any) -> timedelta:
    """Parse "N seconds|minutes|hours|days|weeks", singular or plural.

    Raises:
        ValueError: for any other value, with an example, and for more than a hundred years.
    """
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(_duration_problem(value))
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > 100 * 366 * 86400:
        raise ValueError(f"{show_value(value)} is longer than a hundred years")
    return timedelta(seconds=seconds)


def _duration_problem(value: Any) -> str:
    """Return why a value is not a duration, with the duration that was probably meant."""
    if value is None:
        return 'is empty; write a duration, like "30 minutes"'
    almost = _ALMOST_DURATION.fullmatch(value) if isinstance(value, str) else None
    if almost is not None:
        count, unit = int(almost[1]), _UNITS_BY_LETTER[almost[2][0].lower()]
        return f'{value!r} is not a duration; write "{count} {unit}{"" if count == 1 else "s"}"'
    if isinstance(value, int) and not isinstance(value, bool):
        return f'{value} has no unit; write a duration like "{value} minutes"'
    shown = show_value(value)
    if isinstance(value, str) and re.search("month|year|quarter", value):
        return f'{shown} has no fixed length; write days or weeks, like "30 days"'
    if isinstance(value, str) and re.match(r"\d+[.,]\d+ ?[a-z]", value):
        return f'{shown} is not a whole number of its unit; write a smaller unit, like "90 minutes"'
    return f'{shown} is not a duration; write "N seconds|minutes|hours|days|weeks", like "30 minutes"'


def format_duration(value: timedelta) -> str:
    """Format a duration of whole seconds in the largest unit that divides it: timedelta(hours=24) is "1 day"."""
    seconds = int(value.total_seconds())
    unit, size = next((u, s) for u, s in reversed(_UNITS.items()) if seconds % s == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def parse_clock(value: Any) -> time:
    """Parse a quoted "HH:MM". Raises ValueError that shows the right form for anything else."""
    if isinstance(value, time):
        return value
    if isinstance(value, UnquotedTime | int) and not isinstance(value, bool):
        raise ValueError(f'must be quoted: "HH:MM", like "09:00" (it reads as {show_value(value)} without quotes)')
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(
            f'{show_value(value)} is not a time of day; write a quoted "HH:MM" between "00:00" and "23:59"'
        )
    return time(int(match[1]), int(match[2]))


def parse_instant(value: Any) -> Any:
    """Return a datetime or an RFC 3339 text unchanged, for pydantic to parse. Raises ValueError for anything else."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise ValueError(f"{show_value(value)} is not a time; write one with its zone, like 2026-03-02T09:00:00+01:00")


def canonical_json(value: Any) -> str:
    """Serialise a JSON value in its one canonical form: sorted keys, no spaces. Keys, hashes and ids depend on it."""
    return _CANONICAL.encode(value)


def has_null_character(value: Any) -> bool:
    """Return whether a JSON value contains a null character, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(has_null_character(name) or has_null_character(part) for name, part in value.items())
    return isinstance(value, list) and any(map(has_null_character, value))


def has_infinite_number(value: Any) -> bool:
    """Return whether a JSON value contains a number that overflows to infinity (1e400): PostgreSQL cannot store it."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(has_infinite_number, value.values()))
    return isinstance(value, list) and any(map(has_infinite_number, value))


def is_small_and_plain(value: Any, max_bytes: int) -> bool:
    """Return whether a JSON value surely has at most `max_bytes` and no `storage_problem`, by a quick check.

    If it returns False, the exact checks have to decide. They walk through the value in Python; this is one pass in C.
    """
    try:
        text = to_json(value, inf_nan_mode="constants")
    except ValueError:
        return False
    # The canonical form, whose size counts, writes some numbers longer (1e+16), but never twice as long.
    is_plain = 2 * len(text) <= max_bytes and not any(mark in text for mark in _PERHAPS_UNSTORABLE)
    return is_plain and text.count(b"[") + text.count(b"{") <= MAX_DEPTH


def storage_problem(value: Any) -> str | None:
    """Return why a JSON value cannot be stored, as a clause that follows the value's name; None if it can be."""
    if not _is_shallow(value, MAX_DEPTH):
        return f"must not be nested deeper than {MAX_DEPTH} levels"
    if has_null_character(value):
        return "must not contain null characters, which no database stores"
    if has_infinite_number(value):
        return "must not contain numbers too large for any computer, like 1e400, nor NaN"
    if not _is_encodable(value):
        return "must not contain characters that UTF-8 cannot encode, such as half of a surrogate pair"
    return None


def _is_shallow(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    parts = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_is_shallow(part, levels - 1) for part in parts)


def _is_encodable(value: Any) -> bool:
    """Return whether all texts of a JSON value are without lone surrogates."""
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in value)
    if isinstance(value, dict):
        return all(_is_encodable(name) and _is_encodable(part) for name, part in value.items())
    return not isinstance(value, list) or all(map(_is_encodable, value))


def replace_surrogates(text: str) -> str:
    """Return a text that UTF-8 can encode: a question mark replaces each lone surrogate."""
    return text.encode(errors="replace").decode()


def _no_null(value: Any) -> Any:
    if "\x00" in value if isinstance(value, str) else has_null_character(value):
        raise ValueError("must not contain null characters")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


def _fits_utc(value: datetime) -> datetime:
    _in_utc(value)
    return value


@overload
def format_instant(instant: datetime) -> str: ...
@overload
def format_instant(instant: None) -> None: ...
def format_instant(instant: datetime | None) -> str | None:
    """Format an aware datetime as RFC 3339 in UTC with `Z`, with a fraction only if it is not zero; None stays None."""
    return None if instant is None else instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def form_discriminator(
    forms: Mapping[str, type[BaseModel]], *, words: Collection[str] = (), right: str
) -> Discriminator:
    """Return a discriminator between the forms of a value, so that a fault is reported for the form that was meant.

    Args:
        forms: from the key that only this form has to the form's model, whose class name is the tag.
        words: plain words that are allowed instead of a mapping; their tag is `WORD`.
        right: what to write instead, for the error message if the value has none of the forms.
    """

    def tag_of(value: Any) -> str | None:
        if isinstance(value, BaseModel):
            return type(value).__name__
        if isinstance(value, str):
            return WORD.tag if value in words else None
        return _tag_of_mapping(value, forms) if isinstance(value, dict) else None

    return Discriminator(tag_of, custom_error_type=UNKNOWN_FORM, custom_error_message=right)


def _tag_of_mapping(value: Mapping[Any, Any], forms: Mapping[str, type[BaseModel]]) -> str | None:
    """Return the tag of the form whose key is present, else of the form whose key was probably misspelt."""
    form_key = next((key for key in forms if key in value), None)
    if form_key is None:
        form_key = next((match for key in value for match in get_close_matches(str(key), forms, 1, 0.75)), None)
    return forms[form_key].__name__ if form_key else None


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
Instant = Annotated[AwareDatetime, BeforeValidator(parse_instant), AfterValidator(_fits_utc)]
"""An instant in the zone in which it was written."""
UtcInstant = Annotated[AwareDatetime, BeforeValidator(parse_instant), AfterValidator(_in_utc)]
Clock = Annotated[
    time, BeforeValidator(parse_clock), PlainSerializer(lambda value: value.strftime("%H:%M"), return_type=str)
]
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""The form of the ids of campaigns, cards and workspaces."""
Id = Annotated[str, StringConstraints(strict=True, pattern=ID_PATTERN)]
MAX_TEXT_CHARACTERS = 255
"""The limit of ids of users and of other short texts."""
Text = Annotated[str, Field(strict=True, max_length=MAX_TEXT_CHARACTERS, min_length=1), BeforeValidator(_no_null)]
Zone = Literal["user", "company"]
ChannelName = Literal["email", "sms", "push", "webhook", "in_app_message", "content_card", "news_feed_card"]
