"""The checks of a definition at publication: refusals (P7) and warnings (P8), one function per rule."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, time, timedelta

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.references import content_problems, content_warnings
from connector.rules.model.campaigns import ActionBased, Campaign, Publishable, Scheduled, Workspace
from connector.rules.model.conditions import Condition, EventCondition, InteractionCondition
from connector.rules.model.interactions import InteractionType
from connector.rules.model.predicates import All, Any_, Did, Interacted, Not, Predicate
from connector.rules.model.schedules import After, EligibleAfter, QuietHours, SendAt, TimeOfDay
from connector.rules.model.values import format_duration
from connector.rules.sending.due_list import quiet_hours_of
from connector.rules.sending.launch_times import SendTime
from connector.rules.targeting.matching import topic_of_condition
from connector.rules.timing.caps import CAPPED_CHANNELS
from connector.rules.timing.windows import is_within

_UNENCODED = re.compile(r"\|\s*(raw|safe)\b")
_MAX_ELIGIBLE_AFTER = timedelta(days=720)


def refusals(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    """Return every reason why the definition may not be published at `now` (UTC), each with what to do (P7)."""
    if not isinstance(definition, Campaign):
        return []
    problems = [*empty_predicates(definition.audience), *impossible_requests(definition)]
    if definition.follow_on is not None:
        for check in _FOLLOW_ON_CHECKS:
            problems += check(definition.follow_on, now)
        problems += inside_quiet_hours(definition, catalogue.workspace)
        problems += content_problems(definition.follow_on, catalogue)
    return [f"{definition.id}: {problem}" for problem in problems]


def warnings(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    """Return every surprise of a publication at `now` (UTC), each with what to do (P8)."""
    if not isinstance(definition, Campaign):
        return []
    notes = [*empty_emails(definition), *values_as_they_are(definition)]
    if definition.follow_on is None:
        notes += time_has_passed(definition, catalogue, now)
    else:
        notes += audience_requires_trigger(definition.audience, definition.follow_on)
        notes += machine_opens(definition.follow_on)
        notes += starts_later(definition.follow_on, now)
        notes += inside_quiet_hours_of_some(definition, catalogue.workspace)
        notes += content_warnings(definition.follow_on, catalogue)
    return [f"{definition.id}: {note}" for note in notes]


def exception_without_delay(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """Refuse exceptions without a delay: there is no wait in which they could happen (P7)."""
    if follow_on.exceptions and follow_on.delay is None:
        yield "its exceptions can never happen: without a delay it sends at once; add `delay`, or remove them"


def session_start_twice(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """Refuse `start_session` as both trigger and exception (P7)."""
    if _names_session_start(follow_on.trigger) and _names_session_start(follow_on.exceptions):
        yield (
            "start_session is both trigger and exception: every session would cancel the message of the one before; "
            "remove it from one of the two"
        )


def delay_beyond_end(follow_on: ActionBased, now: datetime) -> Iterator[str]:
    """Refuse an `after` longer than the campaign's duration: end - start, or end - now without a start (P7)."""
    if not isinstance(follow_on.delay, After) or follow_on.end is None:
        return
    duration = follow_on.end - (follow_on.start or now)
    if timedelta(0) < duration < follow_on.delay.after:
        yield (
            f"its delay of {format_duration(follow_on.delay.after)} is longer than the campaign runs, so every "
            "message would be due after `end` and be dropped; shorten the delay or move `end`"
        )


def never_runs(follow_on: ActionBased, now: datetime) -> Iterator[str]:
    """Refuse an `end` that is not after `start` or now (P7)."""
    if follow_on.end is None:
        return
    if follow_on.start is not None and follow_on.end <= follow_on.start:
        yield "its `end` is not after its `start`, so it would never run; move one of them"
    elif follow_on.end <= now:
        yield f"its `end` ({follow_on.end.isoformat()}) has passed, so every message would be dropped; move it"


def empty_hours(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """Refuse hours whose `from` equals their `to` (P7)."""
    hours, quiet = follow_on.time_of_day, follow_on.quiet_hours
    if hours is not None and hours.from_ == hours.to:
        yield (
            f"its `time_of_day` opens and closes at {hours.to:%H:%M}, so it would never open; "
            "write other hours, or leave it out for the whole day"
        )
    if isinstance(quiet, QuietHours) and quiet.from_ == quiet.to:
        yield f"its `quiet_hours` begin and end at {quiet.to:%H:%M}; write other hours, or none for no quiet hours"


def eligibility_too_long(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """Refuse `eligible_again` of more than 720 days (P7)."""
    rule = follow_on.eligible_again
    if isinstance(rule, EligibleAfter) and rule.after > _MAX_ELIGIBLE_AFTER:
        yield "its `eligible_again` is longer than 720 days, the limit; shorten it, or write never"


_FOLLOW_ON_CHECKS: tuple[Callable[[ActionBased, datetime], Iterator[str]], ...] = (
    exception_without_delay,
    session_start_twice,
    delay_beyond_end,
    never_runs,
    empty_hours,
    eligibility_too_long,
)


def inside_quiet_hours(campaign: Campaign, workspace: Workspace) -> Iterator[str]:
    """Refuse a `time_of_day` wholly inside quiet hours of the same zone, if a channel has quiet hours (P7, W2)."""
    hours, quiet = _hours_and_quiet_hours(campaign, workspace)
    if hours is None or quiet is None or hours.zone != quiet.zone or not _is_wholly_inside(hours, quiet):
        return
    whose = "campaign" if campaign.follow_on and campaign.follow_on.quiet_hours else "workspace"
    yield (
        f"its `time_of_day` ({_format_hours(hours)}) is wholly inside the {whose}'s quiet hours "
        f"({_format_hours(quiet)}), so nothing would ever be sent; move one of them, or write quiet_hours: none"
    )


def inside_quiet_hours_of_some(campaign: Campaign, workspace: Workspace) -> Iterator[str]:
    """Warn of a `time_of_day` inside quiet hours of the other zone, which some users share (P8)."""
    hours, quiet = _hours_and_quiet_hours(campaign, workspace)
    if hours is None or quiet is None or hours.zone == quiet.zone or not _is_wholly_inside(hours, quiet):
        return
    yield (
        f"its `time_of_day` ({_format_hours(hours)}, {hours.zone}) is wholly inside the quiet hours "
        f"({_format_hours(quiet)}, {quiet.zone}) for users without a zone or in {workspace.zone}: their messages "
        "would be dropped; give both the same zone, or move one of them"
    )


def impossible_requests(campaign: Campaign) -> Iterator[str]:
    """Refuse a GET webhook with a body (P7)."""
    for content in campaign.contents:
        if content.webhook is not None and content.webhook.method == "GET" and content.webhook.body is not None:
            yield "its webhook has a body, which a GET cannot carry; write method: POST, or remove the body"


def empty_emails(campaign: Campaign) -> Iterator[str]:
    """Warn of an email with only a subject (P8)."""
    for content in campaign.contents:
        if content.email is not None and content.email.html is None and content.email.text is None:
            yield "its email has neither `html` nor `text`: an empty email would be sent; write one of them"


def values_as_they_are(campaign: Campaign) -> Iterator[str]:
    """Warn of `raw`, or `safe` in HTML: whoever sets the value can write markup, or change a request (P8)."""
    for content in campaign.contents:
        webhook, email = content.webhook, content.email
        texts = {"webhook.url": webhook.url, "webhook.body": webhook.body} if webhook else {}
        texts |= {"email.html": email.html} if email else {}
        for field, text in texts.items():
            if text is not None and (match := _UNENCODED.search(text)):
                yield (
                    f"its {field} writes a value without encoding (`{match[1]}`): whoever sets it can change the "
                    "message; remove the filter unless only your own systems set it"
                )


def empty_predicates(predicate: Predicate) -> Iterator[str]:
    """Refuse an empty `all` or `any` anywhere in the audience (P7)."""
    if isinstance(predicate, All) and not predicate.all:
        yield "an empty `all` in its audience holds for everyone; write everyone, or a predicate"
    if isinstance(predicate, Any_) and not predicate.any:
        yield "an empty `any` in its audience holds for nobody; write everyone, or a predicate"
    for part in _parts(predicate):
        yield from empty_predicates(part)


def time_has_passed(definition: Campaign, catalogue: Catalogue, now: datetime) -> Iterator[str]:
    """Warn of a scheduled original that is first published after its send time (W5)."""
    entry, delivery = catalogue.entries.get(definition.id), definition.delivery
    if not isinstance(delivery, Scheduled) or not isinstance(delivery.send, SendAt) or (entry and entry.published):
        return
    time = SendTime(delivery.send, now, catalogue.workspace.zone)
    if time.as_written(None) < now:
        late = "; users for whom it passed more than an hour before the publication get no message (stale)"
        yield f"its time ({delivery.send.at}) has passed; it is sent at once{late if time.is_local else ''}"


def audience_requires_trigger(predicate: Predicate, follow_on: ActionBased) -> Iterator[str]:
    """Warn of an audience that requires the trigger: it is evaluated before it, so the first one is missed (P8)."""
    triggers = {topic_of_condition(condition) for condition in follow_on.trigger}
    for condition in _required(predicate):
        if topic_of_condition(condition) in triggers:
            name = condition.event if isinstance(condition, EventCondition) else condition.interaction
            yield (
                f"its audience requires the very {name} that triggers it, and is evaluated before it: "
                "each user's first one will be missed; remove it from the audience"
            )


def machine_opens(follow_on: ActionBased) -> Iterator[str]:
    """Warn of an `open_email` exception that machine opens satisfy (P8)."""
    for condition in follow_on.exceptions:
        if (
            isinstance(condition, InteractionCondition)
            and condition.interaction is InteractionType.OPEN_EMAIL
            and condition.opens != "human"
        ):
            yield (
                f"its exception open_email of {condition.target} counts opens by machines too: some readers' mail "
                "programs open every mail, which would cancel the message; write opens: human"
            )


def starts_later(follow_on: ActionBased, now: datetime) -> Iterator[str]:
    """Warn of a `start` in the future: what happens before it does not count (P8)."""
    if follow_on.start is not None and follow_on.start > now:
        yield f"what happens before its `start` ({follow_on.start.isoformat()}) will not start it"


def _names_session_start(conditions: tuple[Condition, ...]) -> bool:
    return any(isinstance(c, EventCondition) and c.event == "start_session" for c in conditions)


def _parts(predicate: Predicate) -> list[Predicate]:
    if isinstance(predicate, All | Any_):
        return predicate.all if isinstance(predicate, All) else predicate.any
    return [predicate.not_] if isinstance(predicate, Not) else []


def _required(predicate: Predicate) -> Iterator[Condition]:
    """Yield the conditions that every user of the audience must have met, as far as is obvious."""
    if isinstance(predicate, Interacted):
        yield predicate.interacted
    elif isinstance(predicate, Did):
        yield predicate.did
    elif isinstance(predicate, All) or (isinstance(predicate, Any_) and len(predicate.any) == 1):
        for part in _parts(predicate):
            yield from _required(part)


def _hours_and_quiet_hours(campaign: Campaign, workspace: Workspace) -> tuple[TimeOfDay | None, QuietHours | None]:
    """Return the campaign's hours of the day and its quiet hours; None if no channel of it has quiet hours (W2)."""
    follow_on = campaign.follow_on
    channels = {channel for content in campaign.contents for channel in content.channels}
    if follow_on is None or CAPPED_CHANNELS.isdisjoint(channels):
        return None, None
    return follow_on.time_of_day, quiet_hours_of(follow_on, workspace)


def _is_wholly_inside(hours: TimeOfDay, quiet: QuietHours) -> bool:
    opens_in_quiet = hours.from_ != hours.to and is_within(hours.from_, quiet.from_, quiet.to)
    return opens_in_quiet and _minutes(hours.from_, hours.to) <= _minutes(hours.from_, quiet.to)


def _format_hours(hours: TimeOfDay | QuietHours) -> str:
    return f"{hours.from_:%H:%M} to {hours.to:%H:%M}"


def _minutes(opens: time, closes: time) -> int:
    return ((closes.hour - opens.hour) * 60 + closes.minute - opens.minute) % (24 * 60)
