"""The small value types that definitions are written in: ids, durations, wall-clock times, zones."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, time, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

_UNITS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_DURATION = re.compile(r"(\d{1,9}) (second|minute|hour|day|week)s?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")


class Definition(BaseModel):
    """The base of every model that people write: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class UnquotedTime(str):
    """A wall-clock time that stands in YAML without quotes, where readers of YAML disagree on its meaning."""


def parse_duration(value: Any) -> timedelta:
    """Read "N seconds|minutes|hours|days|weeks" (the singular too); raises ValueError for anything else."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is not a duration; write "N seconds|minutes|hours|days|weeks", like "30 minutes"')
    seconds = int(match[1]) * _UNITS[match[2]]
    if seconds > 100 * 366 * 86400:
        raise ValueError(f"{value!r} is longer than a hundred years")
    return timedelta(seconds=seconds)


def format_duration(value: timedelta) -> str:
    """Write a duration of whole seconds in its largest unit that divides it: timedelta(hours=24) is "1 day"."""
    seconds = int(value.total_seconds())
    unit, size = next((u, s) for u, s in reversed(_UNITS.items()) if seconds % s == 0)
    count = seconds // size
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def parse_clock(value: Any) -> time:
    """Read a quoted "HH:MM"; raises ValueError with what would be right."""
    if isinstance(value, time):
        return value
    if isinstance(value, UnquotedTime | int):
        raise ValueError(f'must be quoted: "HH:MM", like "09:00" (it reads as {str(value)!r} without quotes)')
    match = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f'{value!r} is not a time of day; write a quoted "HH:MM" between "00:00" and "23:59"')
    return time(int(match[1]), int(match[2]))


def parse_instant(value: Any) -> Any:
    """Let an RFC 3339 text through to pydantic, which asks for its zone; raises ValueError for anything else."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise ValueError(f"{value!r} is not a time; write one with its zone, like 2026-03-02T09:00:00+01:00")


def canonical_json(value: Any) -> str:
    """The one spelling of a JSON value: sorted keys, no spaces. Used for keys, hashes and ids."""
    return _CANONICAL.encode(value)


def has_null_character(value: Any) -> bool:
    """Whether a JSON value holds a null character anywhere, which PostgreSQL cannot store."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(has_null_character(name) or has_null_character(part) for name, part in value.items())
    return isinstance(value, list) and any(map(has_null_character, value))


def has_infinite_number(value: Any) -> bool:
    """Whether a JSON value holds a number that is none (1e400 is read as infinity), which PostgreSQL cannot store."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(has_infinite_number, value.values()))
    return isinstance(value, list) and any(map(has_infinite_number, value))


def storage_problem(value: Any) -> str | None:
    """Why no database stores a JSON value, None where it can be stored; told after the value's name."""
    if has_null_character(value):
        return "must not contain null characters, which no database stores"
    if has_infinite_number(value):
        return "must not contain numbers too large for any computer, like 1e400"
    return None


def _no_null(value: Any) -> Any:
    if "\x00" in value if isinstance(value, str) else has_null_character(value):
        raise ValueError("must not contain null characters")
    return value


def _in_utc(value: datetime) -> datetime:
    if 1 < value.year < 9999:
        return value
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None
    return value


Duration = Annotated[timedelta, BeforeValidator(parse_duration), PlainSerializer(format_duration, return_type=str)]
Instant = Annotated[AwareDatetime, BeforeValidator(parse_instant), AfterValidator(_in_utc)]
Clock = Annotated[
    time, BeforeValidator(parse_clock), PlainSerializer(lambda value: value.strftime("%H:%M"), return_type=str)
]
Id = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Text = Annotated[str, Field(strict=True, max_length=255, min_length=1), BeforeValidator(_no_null)]
Zone = Literal["user", "company"]
ChannelName = Literal["email", "sms", "push", "webhook", "in_app_message", "content_card", "news_feed_card"]
