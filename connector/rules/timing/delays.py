"""Due times of follow-ups (D1 to D5), and wall-clock times as instants. All results are UTC."""

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
    """Return when a follow-up that was triggered at that time is due; without a delay, at once (D1, D2).

    Never before the trigger: `in_days: 0` with a time of day that has passed is due at once.
    """
    if delay is None:
        return triggered_at
    if isinstance(delay, After):
        return triggered_at + delay.after
    zone = resolve_zone(delay.zone, user_zone=user_zone, company_zone=company_zone)
    triggered_on = triggered_at.astimezone(zone).date()
    if isinstance(delay, Next):
        days = (_WEEKDAYS.index(delay.next) - triggered_on.weekday() - 1) % 7 + 1
    else:
        days = delay.in_days
    return max(triggered_at, local_instant(triggered_on + timedelta(days=days), delay.at, zone))


def spread_offset(spread: timedelta | None, *, campaign: str, user: str) -> timedelta:
    """Return a user's offset in [0, spread) in whole microseconds, the same on every machine and release (D5)."""
    if not spread:
        return timedelta(0)
    digest = hashlib.sha256(canonical_json(["spread", 1, campaign, user]).encode()).digest()
    microseconds = spread // timedelta(microseconds=1)
    return timedelta(microseconds=int.from_bytes(digest[:8], "big") % microseconds)


def resolve_zone(choice: Zone, *, user_zone: str | None, company_zone: str) -> ZoneInfo:
    """Return the zone for `user` or `company`; a user without a valid zone has the company's (D3)."""
    if choice == "user" and user_zone is not None:
        try:
            return ZoneInfo(user_zone)
        except (ValueError, OSError, KeyError):
            pass
    return ZoneInfo(company_zone)


def local_instant(day: date, at: time, zone: ZoneInfo) -> datetime:
    """Return the instant of a wall-clock time: the first after a gap, the first of two if it exists twice (D3)."""
    wall = datetime.combine(day, at, zone)
    instant = wall.astimezone(UTC)
    if instant.astimezone(zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return instant
    return find_clock_change(wall.replace(fold=1).astimezone(UTC), instant, zone)


def find_clock_change(early: datetime, late: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant after `early` at which the zone's offset changes; `late` is after it. All are UTC."""
    before = early.astimezone(zone).utcoffset()
    while late - early > timedelta(seconds=1):
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == before:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def is_stale(waited_for: datetime, now: datetime, stale_after: timedelta) -> bool:
    """Return whether `now` is more than `stale_after` past the due time or the end of the hold (D4)."""
    return now - waited_for > stale_after
