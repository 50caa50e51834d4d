"""The changes of the clocks of time zones, and the zones that have the same ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from connector.rules.timing.delays import find_clock_change

HORIZON = timedelta(days=2 * 366)
"""The time for which changes are looked up."""
_SAMPLING = timedelta(days=7)
"""The clocks of no zone change twice within this time."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ClockChange:
    """An instant (UTC) at which a zone's offset from UTC changes."""

    at: datetime
    before: timedelta | None
    after: timedelta | None


def month_before(at: datetime) -> date:
    """Return the first day of the month before: changes of clocks are looked up by month, so that they are cached."""
    return (at.date().replace(day=1) - _DAY).replace(day=1)


@lru_cache(maxsize=4096)
def changes_of(name: str, since: date) -> tuple[ClockChange, ...]:
    """Return the changes of a zone's clocks from a date on, for the horizon and some days."""
    zone, at = ZoneInfo(name), datetime.combine(since, time(), UTC)
    end, changes = at + HORIZON + 70 * _DAY, []
    offset = at.astimezone(zone).utcoffset()
    while at < end:
        later = at + _SAMPLING
        next_offset = later.astimezone(zone).utcoffset()
        if next_offset != offset:
            changes.append(ClockChange(find_clock_change(at, later, zone), offset, next_offset))
        at, offset = later, next_offset
    return tuple(changes)


@lru_cache(maxsize=1)
def _zone_names() -> tuple[str, ...]:
    return tuple(sorted(available_timezones()))


@lru_cache(maxsize=16)
def distinct_zones(since: date) -> tuple[str, ...]:
    """Return one zone of each kind that there is from a date on: of equal offsets and equal changes."""
    kinds: dict[object, str] = {}
    start = datetime.combine(since, time(), UTC)
    for name in _zone_names():
        offset = start.astimezone(ZoneInfo(name)).utcoffset()
        kinds.setdefault((offset, changes_of(name, since)), name)
    return tuple(kinds.values())
