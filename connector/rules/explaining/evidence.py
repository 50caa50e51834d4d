"""What was looked at, for every reason: a closed table from codes to the facts that they rest on (guarantee 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from zoneinfo import ZoneInfo

from connector.rules.explaining.context import DecisionContext
from connector.rules.explaining.reasons import EvidenceItem
from connector.rules.explaining.trigger_evidence import (
    already_waiting,
    before_publish,
    duplicate,
    duration,
    instant_evidence,
    not_eligible_again,
    not_in_audience,
    not_live,
    superseded,
    target_inactive,
)
from connector.rules.explaining.wording import describe_cap, describe_hours, describe_item
from connector.rules.model.reasons import Reason, State
from connector.rules.model.schedules import QuietHours, TimeOfDay
from connector.rules.model.users import is_suppressed
from connector.rules.model.values import format_duration, format_instant
from connector.rules.sending.due_list import quiet_hours_of, reachable
from connector.rules.timing.caps import full_caps
from connector.rules.timing.delays import resolve_zone
from connector.rules.timing.windows import next_opening, quiet_until

_ADDRESSES = {"email": "an email address", "sms": "a phone number", "push": "a push token"}
_MOMENT = timedelta(microseconds=1)


def collect_evidence(case: DecisionContext) -> list[EvidenceItem]:
    """What was looked at as this was decided, as far as it is still known."""
    if case.reason is not None:
        return list(EVIDENCE_BY_REASON[case.reason](case))
    if case.follow_up is None or not case.follow_up.is_open:
        return []
    return [*(held_back(case) if case.follow_up.state is State.HELD else ()), *stopped(case)]


def exception(case: DecisionContext) -> Iterator[EvidenceItem]:
    """X4: which interaction called it off, when, and how long after the trigger."""
    follow_up = case.follow_up
    if follow_up is None or follow_up.exception_id is None or follow_up.exception_at is None:
        return
    logged = case.items.get(follow_up.exception_id)
    did = f"{describe_item(logged.item)} ({logged.id})" if logged else follow_up.exception_id
    after = follow_up.exception_at - follow_up.trigger.t
    at = format_instant(follow_up.exception_at)
    yield EvidenceItem("exception", follow_up.exception_id, f"{did} at {at}, {after} after the trigger")
    if logged is not None and logged.received_at != logged.t:
        yield instant_evidence("exception_arrived_at", "it arrived at", logged.received_at)


def late_exception(case: DecisionContext) -> Iterator[EvidenceItem]:
    """X1: the message had been claimed as the exception arrived."""
    if case.follow_up is not None and case.follow_up.dispatched_at is not None:
        yield instant_evidence("dispatched_at", "the message was handed over at", case.follow_up.dispatched_at)
    yield instant_evidence("arrived_at", "the exception arrived at", case.logged.received_at)


def stopped(case: DecisionContext) -> Iterator[EvidenceItem]:
    """P9: when the window in which it began was closed; one that is open still ends by that."""
    window = case.entry.window(case.follow_up.window_id) if case.follow_up else None
    if window is not None and window.closed_at is not None:
        yield instant_evidence("stopped_at", "the campaign was stopped or archived at", window.closed_at)


def ended_by_hand(case: DecisionContext) -> Iterator[EvidenceItem]:
    """When somebody outside of the rules ended it."""
    yield instant_evidence("decided_at", "that was at", case.decided_at)


def stale(case: DecisionContext) -> Iterator[EvidenceItem]:
    """D4: the time that it waited for, and how late it was judged."""
    if case.follow_up is not None:
        yield instant_evidence("waited_for", "it waited for", case.follow_up.next_at)
    yield instant_evidence("judged_as_of", "it came to be sent at", case.evaluated_as_of)
    after = format_duration(case.catalogue.workspace.stale_after)
    yield EvidenceItem("stale_after", after, f"`stale_after` is {after}")


def time_of_day(case: DecisionContext) -> Iterator[EvidenceItem]:
    """The hours of the campaign, and what the clock showed."""
    if case.follow_on and case.follow_on.time_of_day:
        yield from _hours(case, "time_of_day", case.follow_on.time_of_day)


def quiet_hours(case: DecisionContext) -> Iterator[EvidenceItem]:
    """W2: the quiet hours, and what the clock showed."""
    hours = quiet_hours_of(case.follow_on, case.catalogue.workspace)
    if hours is not None:
        yield from _hours(case, "quiet_hours", hours)


def frequency_capped(case: DecisionContext) -> Iterator[EvidenceItem]:
    """W2: the caps that were full, each with the sends that filled it."""
    full = full_caps(
        case.catalogue.workspace.frequency_caps,
        case.channel or "",
        [send for send in case.sends if send.at <= case.decided_at],
        case.decided_at,
        user_zone=case.user.time_zone,
        company_zone=case.catalogue.workspace.zone,
        follow_up_id=case.follow_up.id if case.follow_up else "",
    )
    for cap, sends in full:
        listed = [f"{send.channel} at {format_instant(send.at)}" for send in sorted(sends, key=lambda send: send.at)]
        words = f"the cap of {describe_cap(cap)} was full: {', '.join(listed) or 'it allows none'}"
        yield EvidenceItem("frequency_cap", {"cap": describe_cap(cap), "sent": listed}, words)


def no_consent(case: DecisionContext) -> Iterator[EvidenceItem]:
    """W1: the word of the user, as known now."""
    said = case.user.consent.get(case.channel) if case.channel else None  # type: ignore[call-overload]
    yield EvidenceItem(
        "consent", {case.channel: said}, f"consent for {case.channel} as known now: {said or 'nothing said'}"
    )


def unreachable(case: DecisionContext) -> Iterator[EvidenceItem]:
    """Whether there is an address, and whether it takes messages, as known now; never the address itself."""
    if case.channel in _ADDRESSES:
        known = reachable(case.user, case.channel, {})
        address = _ADDRESSES[case.channel]
        has = address if known else f"no {address.partition(' ')[2]}"
        yield EvidenceItem("address", {case.channel: known}, f"the user has {has} as known now")
        if is_suppressed(case.user, case.unreachable, case.channel):
            words = f"a provider told that it takes no messages ({case.channel}): bounced, failed or complained"
            yield EvidenceItem("unreachable", {case.channel: True}, words)


def faulty(case: DecisionContext) -> Iterator[EvidenceItem]:
    """The code of what went wrong with the message."""
    if case.fault is not None:
        yield EvidenceItem("fault", case.fault, f"what went wrong: {case.fault}")


def control_group(case: DecisionContext) -> Iterator[EvidenceItem]:
    """T4: its size; a user's first draw is kept, whatever the size is later."""
    if case.campaign is not None:
        share = case.campaign.control_group
        words = f"the control group was {share} per cent as it was judged; a user's first draw is kept"
        yield EvidenceItem("control_group", share, words)


def held_back(case: DecisionContext) -> Iterator[EvidenceItem]:
    """Which hours a held follow-up waits out: those that end at the instant that it waits for."""
    if case.follow_up is None:
        return
    until, user, company = case.follow_up.next_at, case.user.time_zone, case.catalogue.workspace.zone
    before = until - _MOMENT
    hours = case.follow_on.time_of_day if case.follow_on else None
    quiet = quiet_hours_of(case.follow_on, case.catalogue.workspace)
    if hours and next_opening(hours, before, user_zone=user, company_zone=company) == until:
        yield _hours_fact(case, "time_of_day", hours)
    if quiet and quiet_until(quiet, before, user_zone=user, company_zone=company) == until:
        yield _hours_fact(case, "quiet_hours", quiet)


def _hours(case: DecisionContext, name: str, hours: TimeOfDay | QuietHours) -> Iterator[EvidenceItem]:
    local = case.decided_at.astimezone(_zone(case, hours))
    yield _hours_fact(case, name, hours)
    yield EvidenceItem("local_time", local.isoformat(), f"it was {local:%A %Y-%m-%d %H:%M} there")


def _hours_fact(case: DecisionContext, name: str, hours: TimeOfDay | QuietHours) -> EvidenceItem:
    words = describe_hours(hours, str(_zone(case, hours)))
    return EvidenceItem(name, words, f"`{name}` is {words}")


def _zone(case: DecisionContext, hours: TimeOfDay | QuietHours) -> ZoneInfo:
    return resolve_zone(hours.zone, user_zone=case.user.time_zone, company_zone=case.catalogue.workspace.zone)


EVIDENCE_BY_REASON: Mapping[Reason, Callable[[DecisionContext], Iterator[EvidenceItem]]] = {
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
