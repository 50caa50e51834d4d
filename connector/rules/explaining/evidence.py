"""What was looked at, for every reason: a closed table from codes to the facts that they rest on (guarantee 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from connector.rules.explaining.context import Case
from connector.rules.explaining.reasons import Fact
from connector.rules.explaining.trigger_evidence import (
    already_waiting,
    before_publish,
    duplicate,
    duration,
    instant_fact,
    not_eligible_again,
    not_in_audience,
    not_live,
    superseded,
    target_inactive,
)
from connector.rules.explaining.wording import cap_words, hours_words, item_words
from connector.rules.model.addresses import is_dead
from connector.rules.model.campaigns import QuietHours, TimeOfDay
from connector.rules.model.instants import write_instant
from connector.rules.model.reasons import Reason, State
from connector.rules.model.values import format_duration
from connector.rules.sending.due_list import quiet_hours_of, reachable
from connector.rules.timing.caps import filled
from connector.rules.timing.delays import zone_of
from connector.rules.timing.windows import next_opening, quiet_until

_ADDRESSES = {"email": "an email address", "sms": "a phone number", "push": "a push token"}
_MOMENT = timedelta(microseconds=1)


def facts_of(case: Case) -> list[Fact]:
    """What was looked at as this was decided, as far as it is still known."""
    if case.reason is not None:
        return list(GROUNDS[case.reason](case))
    if case.passage is None or not case.passage.is_open:
        return []
    return [*(held_back(case) if case.passage.state is State.HELD else ()), *stopped(case)]


def exception(case: Case) -> Iterator[Fact]:
    """X4: which interaction called it off, when, and how long after the trigger."""
    passage = case.passage
    if passage is None or passage.exception_id is None or passage.exception_at is None:
        return
    logged = case.items.get(passage.exception_id)
    did = f"{item_words(logged.item)} ({logged.id})" if logged else passage.exception_id
    after = passage.exception_at - passage.trigger.t
    at = write_instant(passage.exception_at)
    yield Fact("exception", passage.exception_id, f"{did} at {at}, {after} after the trigger")
    if logged is not None and logged.received_at != logged.t:
        yield instant_fact("exception_arrived_at", "it arrived at", logged.received_at)


def late_exception(case: Case) -> Iterator[Fact]:
    """X1: the message had been claimed as the exception arrived."""
    if case.passage is not None and case.passage.dispatched_at is not None:
        yield instant_fact("dispatched_at", "the message was handed over at", case.passage.dispatched_at)
    yield instant_fact("arrived_at", "the exception arrived at", case.logged.received_at)


def stopped(case: Case) -> Iterator[Fact]:
    """P9: when the window in which it began was closed; one that is open still ends by that."""
    window = case.entry.window(case.passage.window_id) if case.passage else None
    if window is not None and window.closed_at is not None:
        yield instant_fact("stopped_at", "the campaign was stopped or archived at", window.closed_at)


def ended_by_hand(case: Case) -> Iterator[Fact]:
    """When somebody outside of the rules ended it."""
    yield instant_fact("decided_at", "that was at", case.decided_at)


def stale(case: Case) -> Iterator[Fact]:
    """D4: the time that it waited for, and how late it was judged."""
    if case.passage is not None:
        yield instant_fact("waited_for", "it waited for", case.passage.next_at)
    yield instant_fact("judged_as_of", "it came to be sent at", case.judged_as_of)
    after = format_duration(case.catalogue.workspace.stale_after)
    yield Fact("stale_after", after, f"`stale_after` is {after}")


def time_of_day(case: Case) -> Iterator[Fact]:
    """The hours of the campaign, and what the clock showed."""
    if case.follow_on and case.follow_on.time_of_day:
        yield from _hours(case, "time_of_day", case.follow_on.time_of_day)


def quiet_hours(case: Case) -> Iterator[Fact]:
    """W2: the quiet hours, and what the clock showed."""
    hours = quiet_hours_of(case.follow_on, case.catalogue.workspace)
    if hours is not None:
        yield from _hours(case, "quiet_hours", hours)


def frequency_capped(case: Case) -> Iterator[Fact]:
    """W2: the caps that were full, each with the sends that filled it."""
    full = filled(
        case.catalogue.workspace.frequency_caps,
        case.channel or "",
        [send for send in case.sends if send.at <= case.decided_at],
        case.decided_at,
        user_zone=case.user.time_zone,
        company_zone=case.catalogue.workspace.zone,
        follow_up_id=case.passage.id if case.passage else "",
    )
    for cap, sends in full:
        listed = [f"{send.channel} at {write_instant(send.at)}" for send in sorted(sends, key=lambda send: send.at)]
        words = f"the cap of {cap_words(cap)} was full: {', '.join(listed) or 'it allows none'}"
        yield Fact("frequency_cap", {"cap": cap_words(cap), "sent": listed}, words)


def no_consent(case: Case) -> Iterator[Fact]:
    """W1: the word of the user, as known now."""
    said = case.user.consent.get(case.channel) if case.channel else None  # type: ignore[call-overload]
    yield Fact("consent", {case.channel: said}, f"consent for {case.channel} as known now: {said or 'nothing said'}")


def unreachable(case: Case) -> Iterator[Fact]:
    """Whether there is an address, and whether it takes messages, as known now; never the address itself."""
    if case.channel in _ADDRESSES:
        known = reachable(case.user, case.channel, {})
        address = _ADDRESSES[case.channel]
        has = address if known else f"no {address.partition(' ')[2]}"
        yield Fact("address", {case.channel: known}, f"the user has {has} as known now")
        if is_dead(case.user, case.unreachable, case.channel):
            words = f"a provider told that it takes no messages ({case.channel}): bounced, failed or complained"
            yield Fact("unreachable", {case.channel: True}, words)


def faulty(case: Case) -> Iterator[Fact]:
    """The code of what went wrong with the message."""
    if case.fault is not None:
        yield Fact("fault", case.fault, f"what went wrong: {case.fault}")


def control_group(case: Case) -> Iterator[Fact]:
    """T4: its size; a user's first draw is kept, whatever the size is later."""
    if case.campaign is not None:
        share = case.campaign.control_group
        words = f"the control group was {share} per cent as it was judged; a user's first draw is kept"
        yield Fact("control_group", share, words)


def held_back(case: Case) -> Iterator[Fact]:
    """Which hours a held follow-up waits out: those that end at the instant that it waits for."""
    if case.passage is None:
        return
    until, user, company = case.passage.next_at, case.user.time_zone, case.catalogue.workspace.zone
    before = until - _MOMENT
    hours = case.follow_on.time_of_day if case.follow_on else None
    quiet = quiet_hours_of(case.follow_on, case.catalogue.workspace)
    if hours and next_opening(hours, before, user_zone=user, company_zone=company) == until:
        yield _hours_fact(case, "time_of_day", hours)
    if quiet and quiet_until(quiet, before, user_zone=user, company_zone=company) == until:
        yield _hours_fact(case, "quiet_hours", quiet)


def _hours(case: Case, name: str, hours: TimeOfDay | QuietHours) -> Iterator[Fact]:
    local = case.decided_at.astimezone(_zone(case, hours))
    yield _hours_fact(case, name, hours)
    yield Fact("local_time", local.isoformat(), f"it was {local:%A %Y-%m-%d %H:%M} there")


def _hours_fact(case: Case, name: str, hours: TimeOfDay | QuietHours) -> Fact:
    words = hours_words(hours, str(_zone(case, hours)))
    return Fact(name, words, f"`{name}` is {words}")


def _zone(case: Case, hours: TimeOfDay | QuietHours) -> ZoneInfo:
    return zone_of(hours.zone, user_zone=case.user.time_zone, company_zone=case.catalogue.workspace.zone)


GROUNDS: Mapping[Reason, Callable[[Case], Iterator[Fact]]] = {
    Reason.BEFORE_PUBLISH: before_publish,
    Reason.TARGET_INACTIVE: target_inactive,
    Reason.NOT_LIVE: not_live,
    Reason.NOT_IN_AUDIENCE: not_in_audience,
    Reason.NOT_ELIGIBLE_AGAIN: not_eligible_again,
    Reason.ALREADY_WAITING: already_waiting,
    Reason.DUPLICATE: duplicate,
    Reason.EXCEPTION: exception,
    Reason.LATE_EXCEPTION: late_exception,
    Reason.SUPERSEDED: superseded,
    Reason.STOPPED: stopped,
    Reason.OUTSIDE_CAMPAIGN_DURATION: duration,
    Reason.OUTSIDE_TIME_OF_DAY: time_of_day,
    Reason.QUIET_HOURS: quiet_hours,
    Reason.STALE: stale,
    Reason.FREQUENCY_CAPPED: frequency_capped,
    Reason.NO_CONSENT: no_consent,
    Reason.UNREACHABLE: unreachable,
    Reason.ABORTED_BY_TEMPLATE: faulty,
    Reason.CONTROL_GROUP: control_group,
    Reason.SEND_FAILED: faulty,
    Reason.SEND_UNKNOWN: faulty,
    Reason.CANCELLED_BY_OPERATOR: ended_by_hand,
    Reason.ERASED: ended_by_hand,
}
