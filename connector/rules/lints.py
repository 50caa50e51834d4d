"""What is refused (P7) and warned of (P8) at publish, one function a rule, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from connector.rules.campaigns import ActionBased, After, Campaign, EligibleAfter, Publishable, QuietHours, Workspace
from connector.rules.catalogue import Catalogue
from connector.rules.conditions import EventCondition, InteractionCondition
from connector.rules.contents import content_problems
from connector.rules.interactions import InteractionType
from connector.rules.predicates import All, Any_, Interacted, Not, Predicate
from connector.rules.values import format_duration
from connector.rules.windows import within

_LONGEST_ELIGIBILITY = timedelta(days=720)


def refusals(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    """Every reason why this definition may not be published as of `now` (P7)."""
    if not isinstance(definition, Campaign):
        return []
    problems = list(_empty_predicates(definition.audience))
    if definition.follow_on is not None:
        for lint in _REFUSALS:
            problems += lint(definition.follow_on, catalogue.workspace, now)
        problems += content_problems(definition.follow_on, catalogue)
    return [f"{definition.id}: {problem}" for problem in problems]


def warnings(definition: Publishable, catalogue: Catalogue, now: datetime) -> list[str]:
    """What will surprise somebody, though it may be published (P8)."""
    if not isinstance(definition, Campaign) or definition.follow_on is None:
        return []
    follow_on = definition.follow_on
    notes = [*_audience_requires_trigger(definition.audience, follow_on), *_machine_opens(follow_on)]
    return [f"{definition.id}: {note}" for note in notes]


def exception_without_delay(follow_on: ActionBased, _workspace: Workspace, _now: datetime) -> list[str]:
    """P7: there is no wait in which it could come."""
    if follow_on.exceptions and follow_on.delay is None:
        return ["exceptions need a delay: without one the message goes at once; add `delay`, or take them out"]
    return []


def session_start_twice(follow_on: ActionBased, _workspace: Workspace, _now: datetime) -> list[str]:
    """P7: `start_session` as both trigger and exception."""

    def named(conditions: tuple[object, ...]) -> bool:
        return any(isinstance(c, EventCondition) and c.event == "start_session" for c in conditions)

    if named(follow_on.trigger) and named(follow_on.exceptions):
        return ["start_session is both trigger and exception, so every session would call off the last one's message"]
    return []


def delay_beyond_end(follow_on: ActionBased, _workspace: Workspace, now: datetime) -> list[str]:
    """P7: an `after` longer than the campaign lasts."""
    if not isinstance(follow_on.delay, After) or follow_on.end is None:
        return []
    left = follow_on.end - max(follow_on.start or now, now) if follow_on.start is None else None
    lasts = left if left is not None else follow_on.end - (follow_on.start or now)
    if lasts > timedelta(0) and follow_on.delay.after > lasts:
        waits = format_duration(follow_on.delay.after)
        return [f"the delay of {waits} is longer than the campaign lasts, so nothing would ever go; move `end`"]
    return []


def window_never_opens(follow_on: ActionBased, workspace: Workspace, now: datetime) -> list[str]:
    """P7: nothing could ever go."""
    problems = []
    if follow_on.end is not None and follow_on.end <= (follow_on.start or now):
        problems.append("`end` is not after `start`, so the campaign never runs")
    elif follow_on.end is not None and follow_on.end <= now:
        problems.append("`end` has passed, so nothing would ever go")
    hours, quiet = follow_on.time_of_day, _quiet_hours(follow_on, workspace)
    if hours is not None and hours.from_ == hours.to:
        problems.append("`time_of_day` opens and closes at the same time, so it never opens")
    if isinstance(follow_on.quiet_hours, QuietHours) and follow_on.quiet_hours.from_ == follow_on.quiet_hours.to:
        problems.append("`quiet_hours` begin and end at the same time; write `none` to opt out")
    elif hours is not None and quiet is not None and hours.zone == quiet.zone:
        inside = within(hours.from_, quiet.from_, quiet.to)
        if inside and _minutes(hours.from_, hours.to) <= _minutes(hours.from_, quiet.to):
            problems.append("`time_of_day` is wholly inside the quiet hours, so nothing would ever go")
    return problems


def eligibility_too_long(follow_on: ActionBased, _workspace: Workspace, _now: datetime) -> list[str]:
    """P7: `eligible_again` over 720 days."""
    rule = follow_on.eligible_again
    if isinstance(rule, EligibleAfter) and rule.after > _LONGEST_ELIGIBILITY:
        return ["`eligible_again` may be at most 720 days; write `never` for good"]
    return []


_REFUSALS: tuple[Callable[[ActionBased, Workspace, datetime], list[str]], ...] = (
    exception_without_delay,
    session_start_twice,
    delay_beyond_end,
    window_never_opens,
    eligibility_too_long,
)


def _quiet_hours(follow_on: ActionBased, workspace: Workspace) -> QuietHours | None:
    own = follow_on.quiet_hours
    return None if own == "none" else own or workspace.quiet_hours


def _minutes(opens: object, closes: object) -> int:
    start, end = (t.hour * 60 + t.minute for t in (opens, closes))  # type: ignore[attr-defined]
    return int((end - start) % (24 * 60))


def _empty_predicates(predicate: Predicate) -> Iterator[str]:
    if isinstance(predicate, All | Any_):
        parts = predicate.all if isinstance(predicate, All) else predicate.any
        if not parts:
            yield "an empty `all` or `any` in the audience means nobody or everybody; write what you mean"
        for part in parts:
            yield from _empty_predicates(part)
    elif isinstance(predicate, Not):
        yield from _empty_predicates(predicate.not_)


def _audience_requires_trigger(predicate: Predicate, follow_on: ActionBased) -> Iterator[str]:
    """P8: the audience is looked at as it stands before the event, so a user's first one is missed."""
    parts = predicate.all if isinstance(predicate, All) else [predicate]
    for part in parts:
        if isinstance(part, Interacted):
            wanted = (part.interacted.interaction, part.interacted.target)
            triggers = [c for c in follow_on.trigger if isinstance(c, InteractionCondition)]
            if wanted in [(c.interaction, c.target) for c in triggers]:
                yield (
                    f"the audience requires the very {wanted[0]} that triggers, and is looked at before it: "
                    "each user's first one will be missed; take it out of the audience"
                )


def _machine_opens(follow_on: ActionBased) -> Iterator[str]:
    """P8: an open that nobody made calls the message off."""
    for condition in follow_on.exceptions:
        is_open = isinstance(condition, InteractionCondition) and condition.interaction is InteractionType.OPEN_EMAIL
        if is_open and condition.opens in (None, "any", "machine"):  # type: ignore[union-attr]
            yield (
                "some readers' mail programs open every mail, and such an open calls the message off; "
                "write `opens: human` to count people only"
            )
