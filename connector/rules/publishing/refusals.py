"""The checks that refuse a publication (P3, P7), one function per rule; `REFUSALS` lists them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import time, timedelta
from itertools import chain
from urllib.parse import urlsplit

from connector.rules.catalogue.references import content_problems, target_problems
from connector.rules.model.conditions import Condition, EventCondition
from connector.rules.model.errors import Fault
from connector.rules.model.predicates import All, Any_
from connector.rules.model.schedules import After, EligibleAfter, QuietHours, TimeOfDay
from connector.rules.model.values import format_duration
from connector.rules.publishing.audiences import holds_for_nobody, walk
from connector.rules.publishing.checks import Check, Publication
from connector.rules.publishing.facts import all_conditions, exception_conditions
from connector.rules.publishing.never_delivers import proof_of_silence
from connector.rules.timing.caps import CAPPED_CHANNELS
from connector.rules.timing.windows import format_hours, is_within

_MAX_ELIGIBLE_AFTER = timedelta(days=720)


def unknown_target(one: Publication) -> Iterator[Fault]:
    """Refuse a target that does not exist, is of the other kind or, for a trigger, is archived (P3, M5)."""
    return target_problems(one.campaign, one.catalogue)


def part_that_the_target_lacks(one: Publication) -> Iterator[Fault]:
    """Refuse a channel, alias, button or page that the target's messages do not have, if they are known (P7)."""
    return content_problems(one.campaign, one.catalogue)


def same_without_a_trigger(one: Publication) -> Iterator[Fault]:
    """Refuse `same` anywhere but in an exception: there is no trigger to compare with (P7, X3)."""
    exceptions = {key for key, _ in exception_conditions(one.campaign)}
    for key, condition in all_conditions(one.campaign):
        if condition.same and key not in exceptions:
            yield Fault(
                f"{key}.same",
                "`same` compares an exception with the trigger, and this is no exception; remove it, or filter by "
                "`where`",
            )


def exception_without_delay(one: Publication) -> Iterator[Fault]:
    """Refuse exceptions without a delay: there is no wait in which they could happen (P7)."""
    if one.follow_on and one.follow_on.exceptions and one.follow_on.delay is None:
        problem = "its exceptions can never happen: without a delay it sends at once; add `delay`, or remove them"
        yield Fault("delivery.exceptions", problem)


def session_start_twice(one: Publication) -> Iterator[Fault]:
    """Refuse `start_session` as both trigger and exception (P7)."""
    follow_on = one.follow_on
    if follow_on and _names_session_start(follow_on.trigger) and _names_session_start(follow_on.exceptions):
        key = next(key for key, condition in exception_conditions(one.campaign) if _names_session_start([condition]))
        yield Fault(
            key,
            "start_session is both trigger and exception: every session would cancel the message of the one before; "
            "remove it from one of the two",
        )


def eligibility_too_long(one: Publication) -> Iterator[Fault]:
    """Refuse `eligible_again` of more than 720 days (P7)."""
    rule = one.follow_on.eligible_again if one.follow_on else None
    if isinstance(rule, EligibleAfter) and rule.after > _MAX_ELIGIBLE_AFTER:
        problem = "its `eligible_again` is longer than 720 days, the limit; shorten it, or write never"
        yield Fault("delivery.eligible_again", problem)


def empty_predicate(one: Publication) -> Iterator[Fault]:
    """Refuse an empty `all` or `any` anywhere in the audience (P7)."""
    for key, predicate in walk(one.campaign.audience):
        if isinstance(predicate, All) and not predicate.all:
            problem = "an empty `all` in its audience holds for everyone; write everyone, or a predicate"
            yield Fault(f"{key}.all", problem)
        if isinstance(predicate, Any_) and not predicate.any:
            problem = "an empty `any` in its audience holds for no user; write everyone, or a predicate"
            yield Fault(f"{key}.any", problem)


def audience_of_nobody(one: Publication) -> Iterator[Fault]:
    """Refuse an audience that no user can satisfy, like two values of one attribute at once (P7)."""
    if holds_for_nobody(one.campaign.audience) and not any(empty_predicate(one)):
        yield Fault("audience", "its audience holds for no user: its conditions exclude each other; change one of them")


def get_with_a_body(one: Publication) -> Iterator[Fault]:
    """Refuse a webhook by GET with a body, which it cannot carry (P7)."""
    for key, content in one.campaign.keyed_contents:
        webhook = content.webhook
        if webhook is not None and webhook.method == "GET" and webhook.body is not None:
            yield Fault(
                f"{key}.webhook.body",
                "its webhook has a body, which a GET cannot carry; write method: POST, or remove the body",
            )


def webhook_without_a_url(one: Publication) -> Iterator[Fault]:
    """Refuse a webhook's url that is neither an http(s) URL nor a template (P7)."""
    for key, content in one.campaign.keyed_contents:
        if content.webhook is not None and not _is_url_or_template(content.webhook.url):
            yield Fault(
                f"{key}.webhook.url",
                f"its webhook's url {content.webhook.url!r} is neither a URL nor a template; write one that begins "
                "with https:// and a host",
            )


def capped_to_nothing(one: Publication) -> Iterator[Fault]:
    """Refuse a campaign whose every channel a frequency cap of the workspace limits to 0 (P7, W2)."""
    if one.follow_on and one.follow_on.ignore_frequency_caps:
        return
    none = {cap.channel for cap in one.catalogue.workspace.frequency_caps if cap.at_most == 0}
    silent = CAPPED_CHANNELS if "any" in none else CAPPED_CHANNELS & none
    if one.channels and one.channels <= silent:
        yield Fault(
            "messages" if one.campaign.messages else "variants",
            "the workspace's frequency caps allow 0 messages on every channel of it, so nothing would ever be sent; "
            "raise `at_most`, or write ignore_frequency_caps: true",
        )


def delay_beyond_end(one: Publication) -> Iterator[Fault]:
    """Refuse an `after` longer than the campaign's duration: end - start, or end - now without a start (P7)."""
    follow_on = one.follow_on
    if follow_on is None or not isinstance(follow_on.delay, After) or follow_on.end is None:
        return
    duration = follow_on.end - (follow_on.start or one.now)
    if timedelta(0) < duration < follow_on.delay.after:
        yield Fault(
            "delivery.delay.after",
            f"its delay of {format_duration(follow_on.delay.after)} is longer than the campaign runs, so every "
            "message would be due after `end` and be dropped; shorten the delay or move `end`",
        )


def never_runs(one: Publication) -> Iterator[Fault]:
    """Refuse an `end` that is not after `start` or now (P7)."""
    follow_on = one.follow_on
    if follow_on is None or follow_on.end is None:
        return
    if follow_on.start is not None and follow_on.end <= follow_on.start:
        problem = "its `end` is not after its `start`, so it would never run; move one of them"
        yield Fault("delivery.end", problem)
    elif follow_on.end <= one.now:
        problem = f"its `end` ({follow_on.end.isoformat()}) has passed, so every message would be dropped; move it"
        yield Fault("delivery.end", problem)


def empty_hours(one: Publication) -> Iterator[Fault]:
    """Refuse hours whose `from` equals their `to` (P7)."""
    hours = one.follow_on.time_of_day if one.follow_on else None
    quiet = one.follow_on.quiet_hours if one.follow_on else None
    if hours is not None and hours.from_ == hours.to:
        yield Fault(
            "delivery.time_of_day",
            f"its `time_of_day` opens and closes at {hours.to:%H:%M}, so it would never open; "
            "write other hours, or leave it out for the whole day",
        )
    if isinstance(quiet, QuietHours) and quiet.from_ == quiet.to:
        problem = f"its `quiet_hours` begin and end at {quiet.to:%H:%M}; write other hours, or none for no quiet hours"
        yield Fault("delivery.quiet_hours", problem)


def inside_quiet_hours(one: Publication) -> Iterator[Fault]:
    """Refuse a `time_of_day` wholly inside quiet hours of the same zone, for channels that have them (P7, W2)."""
    hours, quiet = one.follow_on.time_of_day if one.follow_on else None, one.quiet_hours
    if hours is None or quiet is None or hours.zone != quiet.zone or not is_wholly_inside(hours, quiet):
        return
    whose = "campaign" if one.follow_on and one.follow_on.quiet_hours else "workspace"
    yield Fault(
        "delivery.time_of_day",
        f"its `time_of_day` ({format_hours(hours)}) is wholly inside the {whose}'s quiet hours "
        f"({format_hours(quiet)}), so nothing would ever be sent; move one of them, or write quiet_hours: none",
    )


def never_delivers(one: Publication) -> Iterator[Fault]:
    """Refuse a schedule that provably never delivers, whenever and wherever it is triggered (P7)."""
    if next(chain.from_iterable(check(one) for check in _SCHEDULE_CHECKS), None) is None:
        fault = proof_of_silence(one)
        if fault is not None:
            yield fault


_SCHEDULE_CHECKS: tuple[Check, ...] = (delay_beyond_end, never_runs, empty_hours, inside_quiet_hours)
"""The checks that name the cause more precisely than `never_delivers`."""

SETTINGS_CHECKS: tuple[Check, ...] = (inside_quiet_hours, never_delivers, capped_to_nothing)
"""The checks that depend on the workspace's settings."""

REFUSALS: tuple[Check, ...] = (
    unknown_target,
    part_that_the_target_lacks,
    same_without_a_trigger,
    exception_without_delay,
    session_start_twice,
    *_SCHEDULE_CHECKS,
    never_delivers,
    eligibility_too_long,
    empty_predicate,
    audience_of_nobody,
    get_with_a_body,
    webhook_without_a_url,
    capped_to_nothing,
)


def is_wholly_inside(hours: TimeOfDay, quiet: QuietHours) -> bool:
    """Return whether quiet hours cover hours of the day, both in one zone."""
    opens_in_quiet = hours.from_ != hours.to and is_within(hours.from_, quiet.from_, quiet.to)
    return opens_in_quiet and _minutes(hours.from_, hours.to) <= _minutes(hours.from_, quiet.to)


def _minutes(opens: time, closes: time) -> int:
    return ((closes.hour - opens.hour) * 60 + closes.minute - opens.minute) % (24 * 60)


def _names_session_start(conditions: tuple[Condition, ...] | list[Condition]) -> bool:
    return any(isinstance(c, EventCondition) and c.event == "start_session" for c in conditions)


def _is_url_or_template(url: str) -> bool:
    if "{{" in url or "{%" in url:
        return True
    if any(character.isspace() for character in url.strip()):
        return False
    try:
        parts = urlsplit(url.strip())
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of an address in brackets or a port that is none
        return False
