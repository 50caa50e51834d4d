"""What is refused (P7) and warned of (P8) at publish: one function a rule, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from connector.rules.catalogue.catalogue import Catalogue
from connector.rules.catalogue.references import content_problems, content_warnings
from connector.rules.model.campaigns import ActionBased, Campaign, Publishable, Scheduled
from connector.rules.model.conditions import Condition, EventCondition, InteractionCondition
from connector.rules.model.interactions import InteractionType
from connector.rules.model.predicates import All, Any_, Did, Interacted, Not, Predicate
from connector.rules.model.schedules import After, EligibleAfter, QuietHours, SendAt
from connector.rules.model.users import User
from connector.rules.model.values import format_duration
from connector.rules.publishing.openings import inside_quiet_hours, quiet_for_some
from connector.rules.sending.launching import due_for
from connector.rules.targeting.matching import topic_of_condition

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LONGEST_ELIGIBILITY = timedelta(days=720)


def refusals(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    """Every reason why this definition may not be published as of `now`, UTC (P7)."""
    if not isinstance(definition, Campaign):
        return []
    problems = [*empty_predicates(definition.audience), *beyond_the_channel(definition)]
    if definition.follow_on is not None:
        for lint in _OF_FOLLOW_ONS:
            problems += lint(definition.follow_on, now)
        problems += inside_quiet_hours(definition, catalogue.workspace)
        problems += content_problems(definition.follow_on, catalogue)
    return [f"{definition.id}: {problem}" for problem in problems]


def warnings(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    """What will surprise somebody, though it may be published as of `now`, UTC (P8)."""
    if not isinstance(definition, Campaign):
        return []
    notes = list(empty_emails(definition))
    if definition.follow_on is None:
        notes += time_has_passed(definition, catalogue, now)
    else:
        notes += audience_requires_trigger(definition.audience, definition.follow_on)
        notes += machine_opens(definition.follow_on)
        notes += starts_later(definition.follow_on, now)
        notes += quiet_for_some(definition, catalogue.workspace)
        notes += content_warnings(definition.follow_on, catalogue)
    return [f"{definition.id}: {note}" for note in notes]


def exception_without_delay(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """P7: there is no wait in which it could come."""
    if follow_on.exceptions and follow_on.delay is None:
        yield "its exceptions could never come: without a delay it sends at once; add `delay`, or take them out"


def session_start_twice(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """P7: `start_session` as both trigger and exception."""
    if _names_session_start(follow_on.trigger) and _names_session_start(follow_on.exceptions):
        yield (
            "start_session is both trigger and exception: every session would call off the message of the one before; "
            "take it out of one of the two"
        )


def delay_beyond_end(follow_on: ActionBased, now: datetime) -> Iterator[str]:
    """P7: an `after` longer than the campaign's duration, which is end - start, or end - now where it has no start."""
    if not isinstance(follow_on.delay, After) or follow_on.end is None:
        return
    lasts = follow_on.end - (follow_on.start or now)
    if timedelta(0) < lasts < follow_on.delay.after:
        yield (
            f"its delay of {format_duration(follow_on.delay.after)} is longer than it runs, so that every message "
            "would be due after `end` and be dropped; shorten the delay or move `end`"
        )


def never_runs(follow_on: ActionBased, now: datetime) -> Iterator[str]:
    """P7: an `end` that is not after `start` or now."""
    if follow_on.end is None:
        return
    if follow_on.start is not None and follow_on.end <= follow_on.start:
        yield "its `end` is not after its `start`, so that it would never run; move one of them"
    elif follow_on.end <= now:
        yield f"its `end` ({follow_on.end.isoformat()}) has passed, so that every message would be dropped; move it"


def empty_hours(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """P7: hours that end as they begin."""
    hours, quiet = follow_on.time_of_day, follow_on.quiet_hours
    if hours is not None and hours.from_ == hours.to:
        yield (
            f"its `time_of_day` opens and closes at {hours.to:%H:%M}, so that it would never open; "
            "write other hours, or leave it out for the whole day"
        )
    if isinstance(quiet, QuietHours) and quiet.from_ == quiet.to:
        yield f"its `quiet_hours` begin and end at {quiet.to:%H:%M}; write other hours, or none for no quiet hours"


def eligibility_too_long(follow_on: ActionBased, _now: datetime) -> Iterator[str]:
    """P7: `eligible_again` over 720 days."""
    rule = follow_on.eligible_again
    if isinstance(rule, EligibleAfter) and rule.after > _LONGEST_ELIGIBILITY:
        yield "its `eligible_again` is longer than 720 days, which nobody remembers; shorten it, or write never"


_OF_FOLLOW_ONS: tuple[Callable[[ActionBased, datetime], Iterator[str]], ...] = (
    exception_without_delay,
    session_start_twice,
    delay_beyond_end,
    never_runs,
    empty_hours,
    eligibility_too_long,
)


def beyond_the_channel(campaign: Campaign) -> Iterator[str]:
    """P7: a message for a channel that cannot do it."""
    for content in campaign.contents:
        if content.webhook is not None and content.webhook.method == "GET" and content.webhook.body is not None:
            yield "its webhook has a body, which a GET cannot carry; write method: POST, or take the body out"


def empty_emails(campaign: Campaign) -> Iterator[str]:
    """P8: an email of a subject alone."""
    for content in campaign.contents:
        if content.email is not None and content.email.html is None and content.email.text is None:
            yield "its email has neither `html` nor `text`: an empty mail would go out; write one of them"


def empty_predicates(predicate: Predicate) -> Iterator[str]:
    """P7: an `all` or `any` of nothing, anywhere in the audience."""
    if isinstance(predicate, All) and not predicate.all:
        yield "an empty `all` in its audience would let everyone in; write everyone, or what they must be"
    if isinstance(predicate, Any_) and not predicate.any:
        yield "an empty `any` in its audience would let nobody in; write everyone, or what they may be"
    for part in _parts(predicate):
        yield from empty_predicates(part)


def time_has_passed(definition: Campaign, catalogue: Catalogue, now: datetime) -> Iterator[str]:
    """A scheduled original that is published for the first time after the time at which it was to go."""
    entry, delivery = catalogue.entries.get(definition.id), definition.delivery
    if not isinstance(delivery, Scheduled) or not isinstance(delivery.send, SendAt) or (entry and entry.published):
        return
    if due_for(delivery, User(id="nobody"), _LONG_AGO, catalogue.workspace) < now:
        yield f"its time ({delivery.send.at}) has passed; it goes out at once to everybody for whom it has"


def audience_requires_trigger(predicate: Predicate, follow_on: ActionBased) -> Iterator[str]:
    """P8: the audience is looked at as it stands before the event, so a user's first one is missed."""
    triggers = {topic_of_condition(condition) for condition in follow_on.trigger}
    for condition in _required(predicate):
        if topic_of_condition(condition) in triggers:
            name = condition.event if isinstance(condition, EventCondition) else condition.interaction
            yield (
                f"its audience requires the very {name} that triggers it, and is looked at before it: "
                "each user's first one will be missed; take it out of the audience"
            )


def machine_opens(follow_on: ActionBased) -> Iterator[str]:
    """P8: an open that nobody made calls the message off."""
    for condition in follow_on.exceptions:
        if (
            isinstance(condition, InteractionCondition)
            and condition.interaction is InteractionType.OPEN_EMAIL
            and condition.opens != "human"
        ):
            yield (
                f"its exception open_email of {condition.target} counts opens by machines too: some readers' mail "
                "programs open every mail, which would call the message off; write opens: human"
            )


def starts_later(follow_on: ActionBased, now: datetime) -> Iterator[str]:
    """What happens between the publication and `start` does not count."""
    if follow_on.start is not None and follow_on.start > now:
        yield f"what happens before its `start` ({follow_on.start.isoformat()}) will not start it"


def _names_session_start(conditions: tuple[Condition, ...]) -> bool:
    return any(isinstance(c, EventCondition) and c.event == "start_session" for c in conditions)


def _parts(predicate: Predicate) -> list[Predicate]:
    if isinstance(predicate, All | Any_):
        return predicate.all if isinstance(predicate, All) else predicate.any
    return [predicate.not_] if isinstance(predicate, Not) else []


def _required(predicate: Predicate) -> Iterator[Condition]:
    """What a user must have done to be in the audience, as far as it is plain."""
    if isinstance(predicate, Interacted):
        yield predicate.interacted
    elif isinstance(predicate, Did):
        yield predicate.did
    elif isinstance(predicate, All) or (isinstance(predicate, Any_) and len(predicate.any) == 1):
        for part in _parts(predicate):
            yield from _required(part)
