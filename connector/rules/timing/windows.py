"""Hours of the day in which a message may be sent, and quiet hours. Windows are [from, to) (W1).

An instant is inside a window if the zone's wall clock shows a time inside it. When clocks go back, an hour that occurs
twice is inside twice; when they go forward, hours that no clock shows do not open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connector.rules.model.schedules import QuietHours, TimeOfDay
from connector.rules.timing.delays import find_clock_change, resolve_zone

_DAYS = 3
"""Today, tomorrow, and the day after, in case tomorrow's change of clocks skips the hours or the whole day."""

MAX_LOOK_AHEAD = timedelta(days=8)
"""How far ahead `next_undisturbed` searches: each weekday once."""


def format_hours(hours: TimeOfDay | QuietHours) -> str:
    """Return hours as they are written in messages, like 22:00 to 06:00."""
    return f"{hours.from_:%H:%M} to {hours.to:%H:%M}"


def next_opening(hours: TimeOfDay, now: datetime, *, user_zone: str | None, company_zone: str) -> datetime:
    """Return the first instant from `now` on (UTC) that is inside these hours; `now` itself if it is.

    Raises:
        ValueError: the window is empty because `from` equals `to`, which P7 refuses at publish.
    """
    zone = resolve_zone(hours.zone, user_zone=user_zone, company_zone=company_zone)

    def is_open(wall: time) -> bool:
        return is_within(wall, hours.from_, hours.to)

    return now if is_open(now.astimezone(zone).time()) else _first_match(is_open, hours.from_, now, zone)


def quiet_until(hours: QuietHours, now: datetime, *, user_zone: str | None, company_zone: str) -> datetime | None:
    """Return the end (UTC) of the quiet hours that `now` is in; None if it is in none."""
    zone = resolve_zone(hours.zone, user_zone=user_zone, company_zone=company_zone)

    def is_over(wall: time) -> bool:
        return not is_within(wall, hours.from_, hours.to)

    return None if is_over(now.astimezone(zone).time()) else _first_match(is_over, hours.to, now, zone)


def next_undisturbed(
    hours: TimeOfDay, quiet: QuietHours, now: datetime, *, user_zone: str | None, company_zone: str
) -> datetime | None:
    """Return the first instant from `now` on (UTC) that is inside the hours and not quiet.

    None if there is none within `MAX_LOOK_AHEAD`: hours and quiet hours in two zones can leave a user no such instant,
    ever or until a change of clocks months away, and a message that waits for it would be held without end.
    """
    at, limit = now, now + MAX_LOOK_AHEAD
    while (at := next_opening(hours, at, user_zone=user_zone, company_zone=company_zone)) < limit:
        until = quiet_until(quiet, at, user_zone=user_zone, company_zone=company_zone)
        if until is None:
            return at
        at = until
    return None


def is_within(wall: time, opens: time, closes: time) -> bool:
    """Return whether a time is in [opens, closes), which may cross midnight and is empty if both are equal (P7)."""
    if opens <= closes:
        return opens <= wall < closes
    return wall >= opens or wall < closes


def _first_match(matches: Callable[[time], bool], boundary: time, now: datetime, zone: ZoneInfo) -> datetime:
    """Return the first instant after `now` whose wall-clock time matches; times begin to match at the boundary."""
    today = now.astimezone(zone).date()
    candidates = (at for day in range(_DAYS) for at in _candidates(today + timedelta(days=day), boundary, zone))
    matching = [at for at in candidates if at > now and matches(at.astimezone(zone).time())]
    if not matching:
        raise ValueError(f"hours from {boundary:%H:%M} to {boundary:%H:%M} never open; let them end at another time")
    return min(matching)


def _candidates(day: date, boundary: time, zone: ZoneInfo) -> Iterator[datetime]:
    """Yield the instants of a day at which a match may begin: the boundary, and a change of clocks."""
    wall = datetime.combine(day, boundary, zone)
    yield from (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    begins, ends = (datetime.combine(day + timedelta(days=n), time(), zone).astimezone(UTC) for n in (0, 1))
    if begins.astimezone(zone).utcoffset() != ends.astimezone(zone).utcoffset():
        yield find_clock_change(begins, ends, zone)
