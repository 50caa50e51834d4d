"""The time axis of a picture: from instants to places, with ticks at round times. All instants are UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta

_STEPS = (
    *(timedelta(seconds=seconds) for seconds in (1, 5, 15)),
    *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 28, 91, 365)),
)
_MOST_TICKS = 8
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True)
class Axis:
    """The stretch of time [begin, end] between two places, in pixels."""

    begin: datetime
    end: datetime
    left: float
    right: float

    def x(self, at: datetime) -> float:
        """Where an instant is; what lies outside is at the nearer edge."""
        share = (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(self.left + share * (self.right - self.left), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Round times with their places; the first one, and the first of each day, name the day."""
        step, last = self._step(), None
        at = datetime.combine(self.begin.date(), time(), self.begin.tzinfo)
        while at <= self.end:
            if at >= self.begin:
                yield self.x(at), self._tick(at, step, last)
                last = at
            at += step

    def write(self, at: datetime) -> str:
        """An instant in as many words as this stretch needs: with its day where there are several, seconds if any."""
        return clock(at) if self.begin.date() == self.end.date() else f"{_day(at)} {clock(at)}"

    def _step(self) -> timedelta:
        return next((s for s in _STEPS if (self.end - self.begin) / s <= _MOST_TICKS), _STEPS[-1])

    @staticmethod
    def _tick(at: datetime, step: timedelta, last: datetime | None) -> str:
        if step >= timedelta(days=1):
            return f"{_DAYS[at.weekday()]} {_day(at)}"
        same_day = last is not None and last.date() == at.date()
        return clock(at) if same_day else f"{_DAYS[at.weekday()]} {_day(at)} {clock(at)}"


def axis_over(shown: Iterable[datetime], before: Iterable[datetime], left: float, right: float) -> Axis:
    """An axis over these instants, with some room.

    Args:
        before: instants that are shown too unless they lie so long before that they would press the rest together.
    """
    instants = sorted(shown)
    span = max(instants[-1] - instants[0], timedelta(seconds=1))
    near = [at for at in before if instants[0] - at <= span / 2]
    begin, end = min([instants[0], *near]), max([instants[-1], *near])
    room = (end - begin or span) / 25
    return Axis(begin - room, end + room, left, right)


def clock(at: datetime) -> str:
    """The time of the day, with seconds where there are any."""
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]}"
