"""The filters `date` and `time_zone`: the same text on every worker, whatever its clock, zone and locale.

A template is rendered as of a `RenderMoment`: `now` is its instant, and times are shown in its zone, the company's,
unless the template names another. Which values are times follows Liquid's reference implementation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Protocol, cast
from zoneinfo import ZoneInfo

from dateutil import parser
from dateutil.tz import tzoffset
from liquid import Markup, RenderContext
from liquid.filter import with_context
from liquid.undefined import is_undefined

from connector.rules.model.zones import check_zone
from connector.rules.timing.delays import local_instant
from connector.templating.filter_faults import FilterFault
from connector.templating.strftime import format_time

_DIGITS = re.compile(r"\d+", re.ASCII)
_MAX_CHARACTERS = 100
"""The limit of a text that is read as a time; reading longer ones takes long."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_HOURS_OF_ABBREVIATIONS = {
    "UTC": 0, "GMT": 0, "Z": 0, "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    "CET": 1, "CEST": 2, "EET": 2, "EEST": 3, "WET": 0, "WEST": 1, "BST": 1, "JST": 9,
}  # fmt: skip


@dataclass(frozen=True)
class RenderMoment:
    """The instant (UTC) as of which a template is rendered, and the company's zone."""

    now: datetime
    zone: str


class _HasMoment(Protocol):
    moment: RenderMoment


class ZonedTime(str):
    """A time in a zone that the template named; as text it is RFC 3339 with the zone's offset."""

    __slots__ = ("at",)
    at: datetime


@with_context
def show_date(value: Any, pattern: Any, time_zone: Any = None, *, context: RenderContext) -> Any:
    """The filter `date`: return a time by a pattern of Ruby's strftime.

    What is not a time is returned unchanged, and so is everything if the pattern is missing or empty.
    """
    moment = cast(_HasMoment, context).moment
    if is_undefined(pattern) or pattern in (None, ""):
        return value
    if not is_undefined(time_zone) and time_zone is not None:
        value = _in_zone(value, time_zone, moment)
    at = value.at if isinstance(value, ZonedTime) else _shown_time(value, ZoneInfo(moment.zone), moment)
    if at is None:
        return value
    text = format_time(at, str(pattern))
    return Markup(text) if context.autoescape and isinstance(pattern, Markup) else text


@with_context
def in_time_zone(value: Any, time_zone: Any = None, *, context: RenderContext) -> Any:
    """The filter `time_zone`: return a time in the zone of that IANA name; a missing name means the company's zone."""
    return _in_zone(value, time_zone, cast(_HasMoment, context).moment)


def _in_zone(value: Any, time_zone: Any, moment: RenderMoment) -> Any:
    if is_undefined(time_zone) or time_zone is None or str(time_zone).strip() == "":
        time_zone = moment.zone
    try:
        zone = ZoneInfo(check_zone(str(time_zone)))
    except ValueError:
        raise FilterFault("the time zone is not an IANA name like Europe/Berlin") from None
    at = value.at.astimezone(zone) if isinstance(value, ZonedTime) else _shown_time(value, zone, moment)
    if at is None:
        return value
    zoned = ZonedTime(at.isoformat())
    zoned.at = at
    return zoned


def _shown_time(value: Any, zone: ZoneInfo, moment: RenderMoment) -> datetime | None:
    """Return the time that a value means, in the zone; None if it means none.

    A date without a time is that date in every zone; a time without a zone is in the company's.
    """
    try:
        read = _read(value, moment)
        if isinstance(read, datetime):
            return read.astimezone(zone)
        return None if read is None else local_instant(read, time(), zone).astimezone(zone)
    except (OverflowError, ValueError):
        return None


def _read(value: Any, moment: RenderMoment) -> datetime | date | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _read_text(str(value).strip(), moment)
    if isinstance(value, int | float) and math.isfinite(value):
        return _EPOCH + timedelta(seconds=value)
    return None


def _read_text(text: str, moment: RenderMoment) -> datetime | date | None:
    """Return the time that a text means: `now` and `today`, seconds since 1970, or a written date or time."""
    if text.lower() in ("now", "today"):
        return moment.now
    if _DIGITS.fullmatch(text):
        return _EPOCH + timedelta(seconds=int(text))
    if not text or len(text) > _MAX_CHARACTERS:
        return None
    today = moment.now.astimezone(ZoneInfo(moment.zone)).date()
    written = _parse(text, today)
    if isinstance(written, datetime) and written.tzinfo is None:
        return local_instant(written.date(), written.time(), ZoneInfo(moment.zone))
    return written


@lru_cache(maxsize=1024)
def _parse(text: str, today: date) -> datetime | date | None:
    """Return a written date, or a time, which has a zone if the text has one.

    The year, and the date of a text that has only a time, are today's. A text is parsed with two different defaults,
    which shows the parts that it leaves out.
    """
    first = _parse_with(text, datetime(today.year, 1, 1))
    second = _parse_with(text, datetime(today.year, 12, 2, 1))
    if first is None or second is None:
        return None
    has_time = first.hour == second.hour
    if first.month != second.month:  # no month: a time of day, or a weekday, which is no date
        has_date = (first.day, second.day) != (1, 2)
        return None if has_date or not has_time else datetime.combine(today, first.timetz())
    return first if has_time else first.date()


def _parse_with(text: str, default: datetime) -> datetime | None:
    try:
        return cast(datetime, _PARSER.parse(text, default=default, tzinfos=_zone_of))
    except (ValueError, OverflowError, TypeError, ArithmeticError):
        return None


def _zone_of(name: str | None, offset: int | None) -> tzinfo | None:
    """Return the zone of an offset or an abbreviation; without it the parser would ask the machine for its zone."""
    if offset is None:
        hours = _HOURS_OF_ABBREVIATIONS.get((name or "").upper())
        offset = None if hours is None else hours * 3600
    return None if offset is None else tzoffset(name, offset)


class _ParserInfo(parser.parserinfo):
    def convertyear(self, year: int, century_specified: bool = False) -> int:
        """Return a year of two digits in 1969 to 2068, as Ruby does, whatever the machine's clock says."""
        return year if century_specified or year >= 100 else year + (1900 if year >= 69 else 2000)


_PARSER: Any = parser.parser(info=_ParserInfo())
FILTERS: dict[str, Callable[..., Any]] = {"date": show_date, "time_zone": in_time_zone}
