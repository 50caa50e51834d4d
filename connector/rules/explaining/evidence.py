"""The evidence for every reason: a complete table from reasons to the facts that they depend on (guarantee 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from connector.rules.explaining.context import DecisionContext, EvidenceItem
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
from connector.rules.explaining.wording import NOT_SENT_TEXT, describe_cap, describe_hours, describe_item
from connector.rules.model.addresses import address_problem
from connector.rules.model.reasons import Reason, State
from connector.rules.model.schedules import QuietHours, TimeOfDay
from connector.rules.model.users import address_of, is_suppressed
from connector.rules.model.values import format_duration, format_instant
from connector.rules.sending.due_list import quiet_hours_of, reachable
from connector.rules.sending.launch_times import MAX_PASSED, send_time
from connector.rules.sending.launching import is_launched
from connector.rules.sending.resolving import NOT_SENT
from connector.rules.timing.caps import find_exceeded_caps
from connector.rules.timing.delays import is_stale, resolve_zone
from connector.rules.timing.windows import next_opening, quiet_until

_ADDRESSES = {"email": "an email address", "sms": "a phone number", "push": "a push token"}


def collect_evidence(context: DecisionContext) -> list[EvidenceItem]:
    """Return the facts that the decision depended on, as far as they are still known."""
    if context.reason is not None:
        return list(EVIDENCE_BY_REASON[context.reason](context))
    if context.follow_up is None or not context.follow_up.is_open:
        return []
    return [*(holding_hours(context) if context.follow_up.state is State.HELD else ()), *stopped(context)]


def exception(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield which interaction cancelled it, when, and how long after the trigger (X4)."""
    follow_up = context.follow_up
    if follow_up is None or follow_up.exception_id is None or follow_up.exception_at is None:
        return
    logged = context.items.get(follow_up.exception_id)
    item = f"{describe_item(logged.item)} ({logged.id})" if logged else follow_up.exception_id
    after = follow_up.exception_at - follow_up.trigger.t
    at = format_instant(follow_up.exception_at)
    yield EvidenceItem("exception", follow_up.exception_id, f"{item} at {at}, {after} after the trigger")
    if logged is not None and logged.received_at != logged.t:
        yield instant_evidence("exception_arrived_at", "it arrived at", logged.received_at)


def late_exception(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield when the message was dispatched, when the exception arrived, and its id (X1, X3)."""
    if context.follow_up is not None and context.follow_up.dispatched_at is not None:
        yield instant_evidence("dispatched_at", "the message was dispatched at", context.follow_up.dispatched_at)
    yield instant_evidence("arrived_at", "the exception arrived at", context.logged.received_at)
    item = f"{describe_item(context.logged.item)} ({context.logged.id})"
    yield EvidenceItem("exception", context.logged.id, f"{item} at {format_instant(context.logged.t)}")


def stopped(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield when the publication window that it began in was closed; an open follow-up will end for that (P9)."""
    follow_up = context.follow_up
    window = context.entry.window(follow_up.window_id) if follow_up else None
    if follow_up is not None and is_launched(follow_up):  # a launch is bound to no window: it pauses
        window = context.entry.windows[-1]
    if window is not None and window.closed_at is not None:
        yield instant_evidence("stopped_at", "the campaign was stopped or archived at", window.closed_at)


def ended_from_outside(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield when an operator or an erasure ended it."""
    yield instant_evidence("decided_at", "that was at", context.decided_at)


def stale(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the time that it waited for, and how late it was evaluated (D4), or published (W5)."""
    published_at = _published_too_late(context)
    if context.follow_up is not None and published_at is not None:
        yield instant_evidence("time", "the campaign's time for the user was", context.follow_up.due_at)
        yield instant_evidence("published_at", "the campaign was published with that time at", published_at)
        limit = format_duration(MAX_PASSED)
        words = f"a user's own time that passed more than {limit} before the publication brings no message"
        yield EvidenceItem("limit", limit, words)
        return
    if context.follow_up is not None:
        yield instant_evidence("waited_for", "it waited for", context.follow_up.next_at)
    yield instant_evidence("judged_as_of", "it came to be sent at", context.evaluated_as_of)
    after = format_duration(context.catalogue.stale_after(context.entry.id))
    yield EvidenceItem("stale_after", after, f"`stale_after` is {after}")


def _published_too_late(context: DecisionContext) -> datetime | None:
    """Return when a launch was published with its time, if that had passed for the user too long before (W5)."""
    follow_up = context.follow_up
    revision = context.entry.revision(follow_up.revision) if follow_up and is_launched(follow_up) else None
    if follow_up is None or revision is None or revision.effective_at is None:
        return None
    time = send_time(context.entry, context.catalogue.workspace, until=revision)
    is_late = time is not None and time.is_local and is_stale(follow_up.due_at, time.published_at, MAX_PASSED)
    return time.published_at if time is not None and is_late else None


def time_of_day(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the campaign's hours of the day, and the local time."""
    if context.follow_on and context.follow_on.time_of_day:
        yield from _hours_and_local_time(context, "time_of_day", context.follow_on.time_of_day)


def quiet_hours(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the quiet hours, and the local time."""
    hours = quiet_hours_of(context.follow_on, context.catalogue.workspace)
    if hours is not None:
        yield from _hours_and_local_time(context, "quiet_hours", hours)


def frequency_capped(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the caps that were full, each with the sends that filled it (W2)."""
    full = find_exceeded_caps(
        context.catalogue.workspace.frequency_caps,
        context.channel or "",
        [send for send in context.sends if send.at <= context.decided_at],
        context.decided_at,
        user_zone=context.user.time_zone,
        company_zone=context.catalogue.workspace.zone,
        follow_up_id=context.follow_up.id if context.follow_up else "",
    )
    for cap, sends in full:
        sent = [f"{send.channel} at {format_instant(send.at)}" for send in sorted(sends, key=lambda send: send.at)]
        words = f"the cap of {describe_cap(cap)} was full: {', '.join(sent) or 'it allows none'}"
        yield EvidenceItem("frequency_cap", {"cap": describe_cap(cap), "sent": sent}, words)


def no_consent(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the user's consent as known now (W1)."""
    consent = context.user.consent.get(context.channel) if context.channel else None  # type: ignore[call-overload]
    words = f"consent for {context.channel} as known now: {consent or 'none stated'}"
    yield EvidenceItem("consent", {context.channel: consent}, words)


def unreachable(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield whether the user has an address, and whether it is suppressed, as known now; never the address itself."""
    if context.channel in _ADDRESSES:
        known = reachable(context.user, context.channel, {})
        name, address = _ADDRESSES[context.channel], address_of(context.user, context.channel)
        has = name if known else f"no {name.partition(' ')[2]}"
        problem = address_problem(context.channel, address) if address is not None else None
        words = f"the user's address {problem}" if problem else f"the user has {has} as known now"
        yield EvidenceItem("address", {context.channel: known}, words)
        if is_suppressed(context.user, context.unreachable, context.channel):
            words = f"a provider reported a bounce, a failure or a complaint for the address ({context.channel})"
            yield EvidenceItem("unreachable", {context.channel: True}, words)


def message_fault(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the code of the message's fault, and its detail if there is one."""
    if context.fault == NOT_SENT:
        yield EvidenceItem("fault", context.fault, NOT_SENT_TEXT)
    elif context.fault is not None:
        yield EvidenceItem("fault", context.fault, f"the fault was {context.fault}")
    if context.detail is not None:
        yield EvidenceItem("detail", context.detail, context.detail)


def control_group(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the control group's size; a user's first assignment is kept, whatever the size is later (T4)."""
    if context.campaign is not None:
        share = context.campaign.control_group
        words = f"the control group was {share} per cent when it was evaluated; a user's first assignment is kept"
        yield EvidenceItem("control_group", share, words)


def holding_hours(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the hours for which a follow-up is held: those that end at the instant that it waits for."""
    if context.follow_up is None:
        return
    until, user, company = context.follow_up.next_at, context.user.time_zone, context.catalogue.workspace.zone
    just_before = until - timedelta(microseconds=1)
    hours = context.follow_on.time_of_day if context.follow_on else None
    quiet = quiet_hours_of(context.follow_on, context.catalogue.workspace)
    if hours and next_opening(hours, just_before, user_zone=user, company_zone=company) == until:
        yield _hours_evidence(context, "time_of_day", hours)
    if quiet and quiet_until(quiet, just_before, user_zone=user, company_zone=company) == until:
        yield _hours_evidence(context, "quiet_hours", quiet)


def _hours_and_local_time(context: DecisionContext, name: str, hours: TimeOfDay | QuietHours) -> Iterator[EvidenceItem]:
    local = context.decided_at.astimezone(_zone(context, hours))
    yield _hours_evidence(context, name, hours)
    yield EvidenceItem("local_time", local.isoformat(), f"it was {local:%A %Y-%m-%d %H:%M} there")


def _hours_evidence(context: DecisionContext, name: str, hours: TimeOfDay | QuietHours) -> EvidenceItem:
    words = describe_hours(hours, str(_zone(context, hours)))
    return EvidenceItem(name, words, f"`{name}` is {words}")


def _zone(context: DecisionContext, hours: TimeOfDay | QuietHours) -> ZoneInfo:
    return resolve_zone(hours.zone, user_zone=context.user.time_zone, company_zone=context.catalogue.workspace.zone)


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
    Reason.ABORTED_BY_TEMPLATE: message_fault,
    Reason.TEMPLATE_FAILED: message_fault,
    Reason.CONTROL_GROUP: control_group,
    Reason.SEND_FAILED: message_fault,
    Reason.SEND_UNKNOWN: message_fault,
    Reason.CANCELLED_BY_OPERATOR: ended_from_outside,
    Reason.ERASED: ended_from_outside,
}
