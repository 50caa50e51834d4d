"""Calendar days in a zone, as instants, and the offsets by which a database computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connector.rules.timing.delays import find_clock_change, local_instant


def day_of(instant: datetime, zone: str) -> date:
    """Return the calendar day of an instant in a zone."""
    return instant.astimezone(ZoneInfo(zone)).date()


def start_of_day(day: date, zone: str) -> datetime:
    """Return the first instant of a day in a zone, UTC; where midnight is skipped, the first after the gap."""
    return local_instant(day, time(), ZoneInfo(zone))


def days_between(first: date, last: date) -> list[date]:
    """Return every day from the first to the last, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


@dataclass(frozen=True)
class Offset:
    """What a zone's wall clock is ahead of UTC by, from an instant on (UTC)."""

    since: datetime
    ahead: timedelta


def offsets_of(zone: str, first: datetime, last: datetime) -> Sequence[Offset]:
    """Return the offsets of a zone between two instants, the earliest first: one, and one for each clock change."""
    place = ZoneInfo(zone)
    offsets = [Offset(first, _ahead(first, place))]
    at = first
    while at < last:
        following = min(at + timedelta(days=1), last)
        if _ahead(following, place) != offsets[-1].ahead:
            offsets.append(Offset(find_clock_change(at, following, place), _ahead(following, place)))
        at = following
    return offsets


def _ahead(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()
