"""Format times as Ruby's `Time#strftime` does, for which Liquid's `date` filter is documented.

Python's own `strftime` asks the C library, whose directives and names differ by platform and locale; the result here
is the same on every machine. Names are English.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

_DIRECTIVE = re.compile(r"%([-_0^#]*)(:{0,3})(\d{0,3})[EO]?(.)", re.DOTALL)
"""Flags, colons, the minimum width, and the conversion."""
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip

_NUMBERS: Mapping[str, tuple[Callable[[datetime], int], int, str]] = {
    "Y": (lambda at: at.year, 4, "0"),
    "C": (lambda at: at.year // 100, 2, "0"),
    "y": (lambda at: at.year % 100, 2, "0"),
    "m": (lambda at: at.month, 2, "0"),
    "d": (lambda at: at.day, 2, "0"),
    "e": (lambda at: at.day, 2, " "),
    "j": (lambda at: at.timetuple().tm_yday, 3, "0"),
    "H": (lambda at: at.hour, 2, "0"),
    "k": (lambda at: at.hour, 2, " "),
    "I": (lambda at: at.hour % 12 or 12, 2, "0"),
    "l": (lambda at: at.hour % 12 or 12, 2, " "),
    "M": (lambda at: at.minute, 2, "0"),
    "S": (lambda at: at.second, 2, "0"),
    "u": (lambda at: at.isoweekday(), 1, "0"),
    "w": (lambda at: at.isoweekday() % 7, 1, "0"),
    "G": (lambda at: at.isocalendar().year, 4, "0"),
    "g": (lambda at: at.isocalendar().year % 100, 2, "0"),
    "V": (lambda at: at.isocalendar().week, 2, "0"),
    "U": (lambda at: (at.timetuple().tm_yday + 6 - at.isoweekday() % 7) // 7, 2, "0"),
    "W": (lambda at: (at.timetuple().tm_yday + 6 - at.weekday()) // 7, 2, "0"),
    "s": (lambda at: math.floor(at.timestamp()), 1, "0"),
}
"""Conversions to numbers: the number, its width, and what fills it."""
_TEXTS: Mapping[str, Callable[[datetime], str]] = {
    "A": lambda at: _DAYS[at.weekday()],
    "a": lambda at: _DAYS[at.weekday()][:3],
    "B": lambda at: _MONTHS[at.month - 1],
    "b": lambda at: _MONTHS[at.month - 1][:3],
    "h": lambda at: _MONTHS[at.month - 1][:3],
    "P": lambda at: "am" if at.hour < 12 else "pm",
    "p": lambda at: "AM" if at.hour < 12 else "PM",
    "Z": lambda at: at.tzname() or "",
    "n": lambda _: "\n",
    "t": lambda _: "\t",
    "%": lambda _: "%",
}
_COMPOSITES = {
    "c": "%a %b %e %H:%M:%S %Y",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "v": "%e-%^b-%Y",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
    "r": "%I:%M:%S %p",
    "R": "%H:%M",
    "T": "%H:%M:%S",
    "+": "%a %b %e %H:%M:%S %Z %Y",
}
_FRACTION_DIGITS = {"L": 3, "N": 9}


def format_time(at: datetime, pattern: str) -> str:
    """Return an aware time by a pattern of Ruby's directives; what is not a directive stays as it is written."""
    return _DIRECTIVE.sub(lambda match: _convert(at, match), pattern)


def _convert(at: datetime, match: re.Match[str]) -> str:
    flags, colons, width, conversion = match.groups()
    if conversion == "z":
        return _offset(at, len(colons), int(width or 0))
    if colons:
        return match[0]
    if conversion in _FRACTION_DIGITS:
        digits = int(width or _FRACTION_DIGITS[conversion])
        return f"{at.microsecond:06}".ljust(digits, "0")[:digits]
    if conversion in _NUMBERS:
        compute, digits, fill = _NUMBERS[conversion]
        return _padded(str(compute(at)), flags, int(width or digits), fill)
    if conversion in _COMPOSITES:
        text = format_time(at, _COMPOSITES[conversion])
    elif conversion in _TEXTS:
        text = _TEXTS[conversion](at)
    else:
        return match[0]
    return _padded(_in_case(text, flags, conversion), flags, int(width or 0), " ")


def _padded(text: str, flags: str, width: int, fill: str) -> str:
    """Return the text in its width; the last of the flags for padding counts."""
    for flag in flags:
        fill = {"-": "", "_": " ", "0": "0"}.get(flag, fill)
    return text.rjust(width, fill) if fill else text


def _in_case(text: str, flags: str, conversion: str) -> str:
    if "#" in flags:
        return text.lower() if conversion in "pZ" else text.upper()
    return text.upper() if "^" in flags else text


def _offset(at: datetime, colons: int, width: int) -> str:
    """Return the offset from UTC: +hhmm, with colons +hh:mm and +hh:mm:ss, and with three as short as possible."""
    offset = at.utcoffset() or timedelta()
    minutes, seconds = divmod(abs(int(offset.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours:02}", f"{minutes:02}", f"{seconds:02}"]
    shown = {0: 2, 1: 2, 2: 3, 3: 3 if seconds else 2 if minutes else 1}[colons]
    text = (":" if colons else "").join(parts[:shown])
    return ("-" if offset < timedelta() else "+") + text.rjust(width - 1, "0")
