"""When a follow-up is due (D1 to D5). Everything that comes out is UTC."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connector.rules.model.schedules import After, Delay, Next
from connector.rules.model.values import Zone, canonical_json

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def compute_due_at(
    delay: Delay | None, triggered_at: datetime, *, user_zone: str | None, company_zone: str
) -> datetime:
    """When a follow-up triggered at that time is due; without a delay it is due at once (D1, D2).

    Never before the trigger: `in_days: 0` with a time of day that has passed is due at once.
    """
    if delay is None:
        return triggered_at
    if isinstance(delay, After):
        return triggered_at + delay.after
    zone = resolve_zone(delay.zone, user_zone=user_zone, company_zone=company_zone)
    triggered_on = triggered_at.astimezone(zone).date()
    if isinstance(delay, Next):
        ahead = (_WEEKDAYS.index(delay.next) - triggered_on.weekday() - 1) % 7 + 1
    else:
        ahead = delay.in_days
    return max(triggered_at, local_instant(triggered_on + timedelta(days=ahead), delay.at, zone))


def spread_offset(spread: timedelta | None, *, campaign: str, user: str) -> timedelta:
    """A stable share in [0, spread) of whole microseconds, the same on every machine and release (D5)."""
    if not spread:
        return timedelta(0)
    digest = hashlib.sha256(canonical_json(["spread", 1, campaign, user]).encode()).digest()
    whole = spread // timedelta(microseconds=1)
    return timedelta(microseconds=int.from_bytes(digest[:8], "big") % whole)


def resolve_zone(choice: Zone, *, user_zone: str | None, company_zone: str) -> ZoneInfo:
    """The zone that a definition means by `user` or `company`; a user without a usable one has the company's (D3)."""
    if choice == "user" and user_zone is not None:
        try:
            return ZoneInfo(user_zone)
        except (ValueError, OSError, KeyError):
            pass
    return ZoneInfo(company_zone)


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant of a wall-clock time: the first instant after a gap, the first of two where it exists twice (D3)."""
    wall = datetime.combine(day, at, zone)
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    return find_clock_change(wall.replace(fold=1).astimezone(UTC), instant, zone)


def find_clock_change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after `early` at which the zone's clocks are set differently; `late` is after that (UTC)."""
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def is_stale(waited_for: datetime, now: datetime, stale_after: timedelta) -> bool:
    """D4: whether it is more than `stale_after` past what it waited for, the due time or a hold's end."""
    return now - waited_for > stale_after
