"""Hours of the day: when a message may go, and when it must be quiet. Windows are [from, to) (W1)."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from connector.rules.campaigns import QuietHours, TimeOfDay
from connector.rules.delays import local_instant, zone_of


def next_opening(hours: TimeOfDay, now: datetime, *, user_zone: str | None, company_zone: str) -> datetime:
    """The first instant from `now` on that is inside these hours; `now` itself where it is (UTC)."""
    zone = zone_of(hours.zone, user_zone=user_zone, company_zone=company_zone)
    local = now.astimezone(zone)
    if within(local.time(), hours.from_, hours.to):
        return now
    today = local_instant(local.date(), hours.from_, zone)
    return today if today > now else local_instant(local.date() + timedelta(days=1), hours.from_, zone)


def quiet_until(hours: QuietHours, now: datetime, *, user_zone: str | None, company_zone: str) -> datetime | None:
    """When the quiet that `now` falls into ends (UTC); None where it is not quiet."""
    zone = zone_of(hours.zone, user_zone=user_zone, company_zone=company_zone)
    local = now.astimezone(zone)
    if not within(local.time(), hours.from_, hours.to):
        return None
    today = local_instant(local.date(), hours.to, zone)
    return today if today > now else local_instant(local.date() + timedelta(days=1), hours.to, zone)


def within(wall: time, opens: time, closes: time) -> bool:
    """Whether a wall-clock time is in [opens, closes), which may cross midnight. Equal ends hold nothing (P7)."""
    if opens <= closes:
        return opens <= wall < closes
    return wall >= opens or wall < closes
