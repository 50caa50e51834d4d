"""Lay out a picture: lanes of users and follow-ons, and a time axis with ticks at round times. Instants are UTC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from connector.simulation.timeline import TimelineStep

_STEPS = (
    *(timedelta(seconds=seconds) for seconds in (1, 5, 15)),
    *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 3, 6, 12)),
    *(timedelta(days=days) for days in (1, 2, 7, 28, 91, 365)),
)
_MAX_TICKS = 8
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_SHOWN_PROPERTIES = ("alias", "button", "page", "sku")


@dataclass(frozen=True)
class Dot:
    """Something that a user did at `t`."""

    t: datetime
    label: str


@dataclass
class Lane:
    """One user in one follow-on, with the outcomes by the keys of the contract; `follow_on` is "" if there is none."""

    user: str
    follow_on: str
    dots: list[Dot]
    outcomes: list[Mapping[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Axis:
    """The time range [begin, end] between two positions, in pixels."""

    begin: datetime
    end: datetime
    left: float
    right: float

    def x(self, at: datetime) -> float:
        """Return the position of an instant; an instant outside the range is at the nearer edge."""
        share = (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(self.left + share * (self.right - self.left), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yield round times with their positions; the first one, and the first of each day, name the day."""
        step, last = self._step(), None
        at = datetime.combine(self.begin.date(), time(), self.begin.tzinfo)
        while at <= self.end:
            if at >= self.begin:
                yield self.x(at), self._tick_label(at, step, last)
                last = at
            at += step

    def format(self, at: datetime) -> str:
        """Return an instant as text, with its day if the range has several, and seconds if there are any."""
        return _time_of_day(at) if self.begin.date() == self.end.date() else f"{_day(at)} {_time_of_day(at)}"

    def _step(self) -> timedelta:
        return next((s for s in _STEPS if (self.end - self.begin) / s <= _MAX_TICKS), _STEPS[-1])

    @staticmethod
    def _tick_label(at: datetime, step: timedelta, last: datetime | None) -> str:
        if step >= timedelta(days=1):
            return f"{_DAYS[at.weekday()]} {_day(at)}"
        is_same_day = last is not None and last.date() == at.date()
        return _time_of_day(at) if is_same_day else f"{_DAYS[at.weekday()]} {_day(at)} {_time_of_day(at)}"


def axis_over(shown: Iterable[datetime], optional: Iterable[datetime], left: float, right: float) -> Axis:
    """Return an axis over these instants, with some margin.

    Args:
        optional: instants that are shown too, unless they are so early that they would compress the rest.
    """
    instants = sorted(shown)
    span = max(instants[-1] - instants[0], timedelta(seconds=1))
    near = [at for at in optional if instants[0] - at <= span / 2]
    begin, end = min([instants[0], *near]), max([instants[-1], *near])
    margin = (end - begin or span) / 25
    return Axis(begin - margin, end + margin, left, right)


def lanes_of(steps: Sequence[TimelineStep], outcomes: Sequence[Mapping[str, Any]]) -> list[Lane]:
    """Return the lanes by user and follow-on, including those without an outcome; each key has a lane of its own."""
    dots = _dots_by_user(steps)
    lanes: dict[tuple[str, str, str], Lane] = {}
    for outcome in sorted(outcomes, key=lambda outcome: (outcome["user"], outcome["triggered_at"])):
        user, key = outcome["user"], "" if outcome["key"] is None else f" {outcome['key']}"
        user_dots = dots.setdefault(user, {})
        if not any(id == outcome["trigger"] or id is None for id, _ in user_dots):
            t = datetime.fromisoformat(outcome["triggered_at"])
            user_dots[outcome["trigger"], t] = Dot(t, "by a message of ours")
        lane = Lane(user, outcome["campaign"] + key, [])
        lanes.setdefault((user, outcome["campaign"], key), lane).outcomes.append(outcome)
    for user, follow_on in sorted(_without_lane(dots, lanes)):
        lanes[user, follow_on, ""] = Lane(user, follow_on, [])
    for lane in lanes.values():
        lane.dots = sorted(dots[lane.user].values(), key=lambda dot: dot.t)
    return [lanes[name] for name in sorted(lanes)]


def instants_of(lanes: Iterable[Lane]) -> Iterator[datetime]:
    """Yield every instant that the lanes show."""
    for lane in lanes:
        yield from (dot.t for dot in lane.dots)
        for outcome in lane.outcomes:
            times = (outcome[name] for name in ("triggered_at", "due_at", "decided_at"))
            yield from (datetime.fromisoformat(at) for at in times if at is not None)


def _dots_by_user(steps: Iterable[TimelineStep]) -> dict[str, dict[tuple[str | None, datetime], Dot]]:
    dots: dict[str, dict[tuple[str | None, datetime], Dot]] = {}
    for step in steps:
        if step.kind == "interaction":
            t = min(step.value.occurred_at, step.at)
            dots.setdefault(step.value.user, {}).setdefault((step.value.id, t), Dot(t, _label(step)))
    return dots


def _without_lane(users: Iterable[str], lanes: Iterable[tuple[str, str, str]]) -> Iterator[tuple[str, str]]:
    """Yield the pairs of a user and a follow-on that have no lane, for the follow-ons that have any."""
    shown = {(user, follow_on) for user, follow_on, _ in lanes}
    follow_ons = {follow_on for _, follow_on in shown} or {""}
    return ((user, name) for user in users for name in follow_ons if (user, name) not in shown)


def _label(step: TimelineStep) -> str:
    properties = step.value.properties
    details = [str(properties[name]) for name in _SHOWN_PROPERTIES if name in properties]
    arrival = [f"(heard of {_time_of_day(step.at)})"] if step.value.occurred_at < step.at else []
    return " ".join([step.value.name_or_type, *details, *arrival])


def _time_of_day(at: datetime) -> str:
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def _day(at: datetime) -> str:
    return f"{at.day} {_MONTHS[at.month - 1]}"
