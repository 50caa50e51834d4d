"""Prove that a schedule never delivers, whenever and wherever it is triggered (P7).

A proof plays the due-time list, the one that production evaluates, on every kind of day that there is: for each zone
that a user may have, the first days on which a message can be due, the days around every change of the clocks in the
next two years, and a day between two changes. A message that the list lets through on one of them disproves it. Late
reports and outages are left out: they only ever delay a message beyond its due time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from connector.rules.catalogue.catalogue import Entry, Revision
from connector.rules.model.campaigns import ActionBased, Scheduled
from connector.rules.model.errors import Fault
from connector.rules.model.reasons import Reason
from connector.rules.model.schedules import After, InDays, Next, SendAt
from connector.rules.model.users import User
from connector.rules.model.values import EARLIEST, format_instant
from connector.rules.publishing.checks import Publication
from connector.rules.sending.due_list import (
    Drop,
    DueFacts,
    Hold,
    check_duration,
    check_quiet_hours,
    check_time_of_day,
)
from connector.rules.sending.launch_times import SendTime
from connector.rules.targeting.assignment import Assignment
from connector.rules.timing.caps import CAPPED_CHANNELS
from connector.rules.timing.clock_changes import HORIZON, changes_of, distinct_zones, month_before
from connector.rules.timing.delays import compute_due_at, local_instant
from connector.rules.timing.windows import format_hours

_DAY = timedelta(days=1)
_FIRST_DAYS = 8
"""One of each weekday, and one more."""
_LONGEST_WINDOW = timedelta(days=4)
"""Longer than a hold, and than the hours of a day take to come again."""
_MAX_HOLDS = 8
_LATEST = datetime(9990, 1, 1, tzinfo=UTC)

_SCHEDULE = (check_duration, check_time_of_day, check_quiet_hours)
"""The checks of the due-time list that depend on the time alone."""


def proof_of_silence(one: Publication) -> Fault | None:
    """Return why nothing can ever be delivered; None if something can, or if that is not certain."""
    try:
        if isinstance(one.campaign.delivery, Scheduled):
            return _prove_launch(one, one.campaign.delivery)
        if one.follow_on is None or not _may_drop(one, one.follow_on):
            return None
        proof = _Proof(one, one.follow_on)
        reasons = proof.find_reasons()
    except OverflowError:  # a `start`, `end` or delay near the year 9999
        return None
    if reasons is None or (isinstance(one.follow_on.delay, After) and reasons == {Reason.OUTSIDE_CAMPAIGN_DURATION}):
        return None  # `delay_beyond_end` decides: an `after` as long as the campaign is allowed
    return _describe(one.follow_on, reasons, proof.earliest_due)


def _may_drop(one: Publication, follow_on: ActionBased) -> bool:
    """Return whether the schedule has anything that could drop a message."""
    quiet = one.quiet_hours
    return follow_on.end is not None or follow_on.time_of_day is not None or bool(quiet and quiet.then == "drop")


@dataclass(frozen=True)
class _Window:
    """The due times [first, last] of messages, UTC; both are the same if there is only one."""

    first: datetime
    last: datetime


class _Proof:
    """Plays the schedule of one follow-on until something is delivered."""

    def __init__(self, one: Publication, follow_on: ActionBased) -> None:
        self._one, self._follow_on = one, follow_on
        self._company_zone = one.catalogue.workspace.zone
        self.earliest_due = _LATEST

    def find_reasons(self) -> set[Reason] | None:
        """Return the reasons of all drops; None if something is delivered."""
        reasons: set[Reason] = set()
        for zone in self._zones():
            for window in self._windows(zone):
                self.earliest_due = min(self.earliest_due, window.first)
                for channel in self._channels:
                    for at in self._instants(window, zone):
                        reason = self._reason_of_drop(at, zone, channel)
                        if reason is None:
                            return None
                        reasons.add(reason)
        return reasons or None

    @cached_property
    def _channels(self) -> tuple[str, ...]:
        """One channel of each kind that the schedule treats alike."""
        capped, exempt = self._one.channels & CAPPED_CHANNELS, self._one.channels - CAPPED_CHANNELS
        return tuple(min(kind) for kind in (exempt, capped) if kind)

    @cached_property
    def _first_trigger(self) -> datetime:
        """The time of the first interaction that can trigger it, UTC; users may wait since the open window began."""
        entry = self._one.catalogue.entries.get(self._one.campaign.id)
        opened = entry.windows[-1].opened_at if entry and entry.live and entry.windows else self._one.now
        return max(opened, self._follow_on.start or opened).astimezone(UTC)

    @cached_property
    def _last_due(self) -> datetime:
        end = self._follow_on.end.astimezone(UTC) if self._follow_on.end else _LATEST
        return min(end, self._first_trigger + self._fixed_delay + HORIZON)

    @cached_property
    def _fixed_delay(self) -> timedelta:
        delay = self._follow_on.delay
        if isinstance(delay, After):
            return delay.after
        return timedelta(days=delay.in_days) if isinstance(delay, InDays) else timedelta()

    def _zones(self) -> Iterator[str | None]:
        """Yield the zones that users may have: first none, then one of each kind, if the schedule depends on them."""
        yield None
        parts = (self._follow_on.delay, self._follow_on.time_of_day, self._one.quiet_hours)
        if any(getattr(part, "zone", None) == "user" for part in parts):
            yield from distinct_zones(month_before(self._first_trigger + self._fixed_delay))

    def _windows(self, zone: str | None) -> Iterator[_Window]:
        """Yield the times at which messages of a user in this zone may be due, before the campaign's end."""
        delay = self._follow_on.delay
        if delay is None or isinstance(delay, After):
            first = self._first_trigger + self._fixed_delay
            starts = [first, *(max(first, at - 2 * _DAY) for at in self._clock_changes(zone))]
            for start in starts:
                yield _Window(start, start + _LONGEST_WINDOW)
            return
        wall = ZoneInfo(zone if zone and delay.zone == "user" else self._company_zone)
        for day in self._trigger_days(wall, zone):
            trigger = max(self._first_trigger, local_instant(day, time(), wall))
            due = compute_due_at(delay, trigger, user_zone=zone, company_zone=self._company_zone)
            until = due
            if isinstance(delay, InDays) and delay.in_days == 0:
                until = max(due, local_instant(day + _DAY, time(), wall))
            yield _Window(due, until + (self._follow_on.spread or timedelta()))

    def _trigger_days(self, wall: ZoneInfo, zone: str | None) -> list[date]:
        """Return the local dates of triggers after which messages are due on every kind of day."""
        first = self._first_trigger.astimezone(wall).date()
        days = {first + n * _DAY for n in range(_FIRST_DAYS)}
        for change in self._clock_changes(zone):
            due = change.astimezone(wall).date()
            near = (due + n * _DAY for n in (-3, -2, -1, 0, 1, 2, *range(10, 17)))
            if isinstance(self._follow_on.delay, Next):
                days |= {day - _DAY for day in near}
            else:
                days |= {day - self._fixed_delay for day in near}
        return sorted(day for day in days if day >= first)

    def _clock_changes(self, zone: str | None) -> list[datetime]:
        first = self._first_trigger + self._fixed_delay
        zones = {self._company_zone, zone or self._company_zone}
        changes = (change.at for name in zones for change in changes_of(name, month_before(first)))
        return sorted(at for at in changes if first - _DAY <= at <= self._last_due + _DAY)

    def _instants(self, window: _Window, zone: str | None) -> list[datetime]:
        """Return the instants of a window at which the outcome may change: its own bounds, and those of all hours."""
        last = min(window.last, window.first + _LONGEST_WINDOW)
        instants = {window.first}
        if last > window.first:
            hours = [part for part in (self._follow_on.time_of_day, self._one.quiet_hours) if part is not None]
            for part in hours:
                wall = ZoneInfo(zone if zone and part.zone == "user" else self._company_zone)
                instants.update(_wall_clock_instants((part.from_, part.to), window.first, last, wall))
            instants.update(self._clock_changes(zone))
        within = (at for at in instants if at == window.first or window.first <= at < last)
        return sorted(at for at in within if at < _LATEST)

    def _reason_of_drop(self, at: datetime, zone: str | None, channel: str) -> Reason | None:
        """Return why a message that is due at an instant is dropped, perhaps after holds; None if it is delivered."""
        for _ in range(_MAX_HOLDS):
            facts = _due_facts(self._one, at, zone, channel)
            verdict = next((found for check in _SCHEDULE if (found := check(facts)) is not None), None)
            if not isinstance(verdict, Hold):
                return verdict.reason if isinstance(verdict, Drop) else None
            at = verdict.until
        return None


def _due_facts(one: Publication, at: datetime, zone: str | None, channel: str) -> DueFacts:
    return DueFacts(
        now=at,
        next_at=at,
        entry=Entry(one.campaign.id, "active", (Revision(1, one.campaign, EARLIEST),)),
        window_id=0,
        workspace=one.catalogue.workspace,
        channel=channel,
        user=User.model_construct(id="u", time_zone=zone),
        history=_NoHistory(),
        received_at=None,
        past_sends=(),
        assignment=Assignment(False, None),
        follow_up_id="",
        unreachable={},
    )


class _NoHistory:
    """A user's history, which no check of the schedule reads."""

    def has_match(self, *_: object) -> bool:
        """Return that nothing matches."""
        return False


def _wall_clock_instants(clocks: Iterable[time], first: datetime, last: datetime, wall: ZoneInfo) -> Iterator[datetime]:
    day, end = first.astimezone(wall).date() - _DAY, last.astimezone(wall).date() + _DAY
    while day <= end:
        for clock in clocks:
            local = datetime.combine(day, clock, wall)
            yield from (local.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
        day += _DAY


def _prove_launch(one: Publication, delivery: Scheduled) -> Fault | None:
    """Return why the time of a launch has passed for every user (W5), or falls into quiet hours that drop it."""
    entry = one.catalogue.entries.get(one.campaign.id)
    time = SendTime(delivery.send, one.now, one.catalogue.workspace.zone)
    if time.has_passed_everywhere and (entry is None or not entry.published):
        problem = "passed more than an hour ago in every time zone, so that no user would get it; choose another time"
        return Fault("delivery.send.at", f"its time {problem}")
    quiet = one.quiet_hours
    if quiet is None or quiet.then != "drop" or not isinstance(delivery.send, SendAt) or delivery.per_minute:
        return None
    if not one.channels <= CAPPED_CHANNELS:
        return None
    zones = (None, *distinct_zones(month_before(one.now))) if "user" in (delivery.send.zone, quiet.zone) else (None,)
    for zone in zones:
        due = time.as_written(zone)
        if due <= one.now or not isinstance(check_quiet_hours(_due_facts(one, due, zone, min(one.channels))), Drop):
            return None
    return Fault(
        "delivery.send.at",
        f"its time ({delivery.send.at}) is in the workspace's quiet hours ({format_hours(quiet)}), "
        "which drop it for every user; choose another time, or write then: hold",
    )


def _describe(follow_on: ActionBased, reasons: set[Reason], earliest_due: datetime) -> Fault:
    delay, end = follow_on.delay, follow_on.end
    key = "delivery.delay" if delay is not None else "delivery.time_of_day" if follow_on.time_of_day else "delivery"
    if end is not None and earliest_due >= end:
        return Fault(
            key if delay is not None else "delivery.end",
            f"no message can be due before its `end`: the earliest is at {format_instant(earliest_due)}; shorten the "
            "delay or move `end`",
        )
    causes = [text for reason, text in _CAUSES.items() if reason in reasons]
    return Fault(
        key,
        "nothing would ever be sent: whenever a user triggers it, in whatever time zone, the message "
        f"{', or '.join(causes)}; change the delay or these hours",
    )


_CAUSES = {
    Reason.OUTSIDE_TIME_OF_DAY: "falls outside its `time_of_day` and is dropped",
    Reason.QUIET_HOURS: "falls into quiet hours and is dropped",
    Reason.OUTSIDE_CAMPAIGN_DURATION: "is too late for its `end`",
}
