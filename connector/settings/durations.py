"""Durations in settings, written as in YAML: "30 seconds". What earlier versions accepted is still read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, TypeAdapter, ValidationError

from connector.rules.model.values import format_duration, parse_duration

_TIMEDELTA: TypeAdapter[timedelta] = TypeAdapter(timedelta)
_EARLIER_NOTATION = re.compile(r"P[^ ]+|\d+:\d\d:\d\d[.\d]*")
"""ISO 8601 and HH:MM:SS, which were the notations of settings without a unit in their name."""


def _read_duration(value: Any) -> timedelta:
    """Return the duration of a text. Raises ValueError with the right form."""
    if isinstance(value, str) and _EARLIER_NOTATION.fullmatch(value):
        try:
            return _TIMEDELTA.validate_python(value)
        except ValidationError:
            pass
    if isinstance(value, str) and value.isdigit():
        raise ValueError(f'{value!r} has no unit; write a duration like "{int(value)} seconds"')
    return parse_duration(value)


def show_duration(value: timedelta) -> str:
    """Return a duration in the notation of settings; a part of a second, which only earlier forms have, as ISO 8601."""
    if not value:
        return "0 seconds"
    return format_duration(value) if value.microseconds == 0 else f"PT{value.total_seconds():g}S"


@dataclass(frozen=True)
class Bounds:
    """The shortest and the longest duration that a setting may have."""

    least: timedelta
    most: timedelta | None

    def __call__(self, value: timedelta) -> timedelta:
        """Return the duration. Raises ValueError with the bound that it violates."""
        if value < self.least:
            raise ValueError(f'must be at least "{show_duration(self.least)}"')
        if self.most is not None and value > self.most:
            raise ValueError(f'must be at most "{show_duration(self.most)}"')
        return value


def between(least: timedelta = timedelta(0), most: timedelta | None = None) -> AfterValidator:
    """Return the annotation of a duration with these bounds; without them, any above zero is right."""
    return AfterValidator(Bounds(least, most))


def _check_positive(value: timedelta) -> timedelta:
    if value <= timedelta(0):
        raise ValueError('must be longer than "0 seconds"')
    return value


def _check_whole_days(value: timedelta) -> timedelta:
    if value % timedelta(days=1):
        raise ValueError("must be whole days")
    return value


Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    AfterValidator(_check_positive),
    PlainSerializer(show_duration, when_used="json"),
]
"""A duration above zero, written "N seconds|minutes|hours|days|weeks"."""
DurationOrZero = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(show_duration, when_used="json"),
]
"""A `Duration`, or zero."""
whole_days = AfterValidator(_check_whole_days)


@dataclass(frozen=True)
class EarlierName:
    """The name of a duration before it was written with its unit: its value is a number, or a mapping of numbers."""

    name: str
    unit: str

    def problem(self, variable: str) -> str:
        """Return the problem of a value that is no number, with the way to the present name."""
        return f'must be a number of {self.unit}s; or write {variable} with a unit, like "30 {self.unit}s"'


EARLIER_NAMES = {
    "CONNECTOR_DATABASE_TIMEOUT": EarlierName("CONNECTOR_DATABASE_TIMEOUT_SECONDS", "second"),
    "CONNECTOR_RETENTION": EarlierName("CONNECTOR_RETENTION_DAYS", "day"),
    "CONNECTOR_API_BODY_TIMEOUT": EarlierName("CONNECTOR_API_BODY_SECONDS", "second"),
    "CONNECTOR_SMTP_TIMEOUT": EarlierName("CONNECTOR_SMTP_TIMEOUT_SECONDS", "second"),
    "CONNECTOR_TWILIO_TIMEOUT": EarlierName("CONNECTOR_TWILIO_TIMEOUT_SECONDS", "second"),
    "CONNECTOR_FCM_TIMEOUT": EarlierName("CONNECTOR_FCM_TIMEOUT_SECONDS", "second"),
    "CONNECTOR_INBOX_EXPIRY": EarlierName("CONNECTOR_INBOX_EXPIRY_DAYS", "day"),
    "CONNECTOR_TRACKING_LIFETIME": EarlierName("CONNECTOR_TRACKING_DAYS", "day"),
    "CONNECTOR_SWEEP_INTERVAL": EarlierName("CONNECTOR_SWEEP_SECONDS", "second"),
    "CONNECTOR_RECONCILE_INTERVAL": EarlierName("CONNECTOR_RECONCILE_SECONDS", "second"),
}
"""By the variables of today. Version 0.1.0 has the names with units: a rolling upgrade needs both to start."""


def read_earlier_value(earlier: EarlierName, text: str) -> Any:
    """Return the value for the present name: a duration, or JSON of a mapping of durations; None if it is no number."""
    try:
        value = json.loads(text)
        if isinstance(value, Mapping):
            return json.dumps({name: show_duration(_scale(number, earlier)) for name, number in value.items()})
        return _scale(value, earlier)
    except (ValueError, TypeError, OverflowError):
        return None


def _scale(number: Any, earlier: EarlierName) -> timedelta:
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise TypeError
    return timedelta(**{f"{earlier.unit}s": number})
