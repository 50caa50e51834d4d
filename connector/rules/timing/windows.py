"""Hours of the day: when a message may go, and when it must be quiet. Windows are [from, to) (W1).

An instant is inside when the wall clock of the zone reads so. On the day on which clocks go back, an hour that reads
inside twice is inside twice; on the day on which they go forward, hours that no clock shows do not open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from connector.rules.model.schedules import QuietHours, TimeOfDay
from connector.rules.timing.delays import find_clock_change, resolve_zone

_DAYS = 3
"""Today, tomorrow, and the day after, should tomorrow's clocks leave out the hours or the whole day."""

MAX_LOOK_AHEAD = timedelta(days=8)
"""How far ahead an instant is looked for that is neither outside the hours of the day nor quiet: every weekday once."""


def next_opening(hours: TimeOfDay, now: datetime, *, user_zone: str | None, company_zone: str) -> datetime:
    """The first instant from `now` on that is inside these hours; `now` itself where it is (UTC).

    Raises:
        ValueError: the hours hold nothing, `from` being `to`, which P7 refuses at publish.
    """
    zone = resolve_zone(hours.zone, user_zone=user_zone, company_zone=company_zone)

    def is_open(wall: time) -> bool:
        return is_within(wall, hours.from_, hours.to)

    return now if is_open(now.astimezone(zone).time()) else _first(is_open, hours.from_, now, zone)


def quiet_until(hours: QuietHours, now: datetime, *, user_zone: str | None, company_zone: str) -> datetime | None:
    """When the quiet that `now` falls into ends (UTC); None where it is not quiet."""
    zone = resolve_zone(hours.zone, user_zone=user_zone, company_zone=company_zone)

    def is_loud(wall: time) -> bool:
        return not is_within(wall, hours.from_, hours.to)

    return None if is_loud(now.astimezone(zone).time()) else _first(is_loud, hours.to, now, zone)


def next_undisturbed(
    hours: TimeOfDay, quiet: QuietHours, now: datetime, *, user_zone: str | None, company_zone: str
) -> datetime | None:
    """The first instant from `now` on that is inside the hours and not quiet (UTC), where there is one soon.

    Hours and quiet in two zones can leave a user no instant open, on every day or but for a change of clocks months
    away. None where the next `MAX_LOOK_AHEAD` has none: whoever waits for one would hold a message for ever.
    """
    at, limit = now, now + MAX_LOOK_AHEAD
    while (at := next_opening(hours, at, user_zone=user_zone, company_zone=company_zone)) < limit:
        until = quiet_until(quiet, at, user_zone=user_zone, company_zone=company_zone)
        if until is None:
            return at
        at = until
    return None


def is_within(wall: time, opens: time, closes: time) -> bool:
    """Whether a wall-clock time is in [opens, closes), which may cross midnight. Equal ends hold nothing (P7)."""
    if opens <= closes:
        return opens <= wall < closes
    return wall >= opens or wall < closes


def _first(wanted: Callable[[time], bool], boundary: time, now: datetime, zone: ZoneInfo) -> datetime:
    """The first instant after `now` whose wall clock is wanted, where it comes to be so at the boundary."""
    today = now.astimezone(zone).date()
    turns = (turn for ahead in range(_DAYS) for turn in _turns(today + timedelta(days=ahead), boundary, zone))
    found = [turn for turn in turns if turn > now and wanted(turn.astimezone(zone).time())]
    if not found:
        raise ValueError(f"hours from {boundary:%H:%M} to {boundary:%H:%M} never open; let them end at another time")
    return min(found)


def _turns(day: date, boundary: time, zone: ZoneInfo) -> Iterator[datetime]:
    """The instants of a day at which the wall clock may come to be wanted: the boundary, and a change of clocks."""
    wall = datetime.combine(day, boundary, zone)
    yield from (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    begins, ends = (datetime.combine(day + timedelta(days=n), time(), zone).astimezone(UTC) for n in (0, 1))
    if begins.astimezone(zone).utcoffset() != ends.astimezone(zone).utcoffset():
        yield find_clock_change(begins, ends, zone)
