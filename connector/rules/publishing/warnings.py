"""The checks that warn of a publication by its definition alone (P8), one function per rule; `WARNINGS` lists them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TypeGuard

from connector.rules.catalogue.references import content_warnings
from connector.rules.model.campaigns import Scheduled
from connector.rules.model.conditions import Condition, EventCondition, InteractionCondition
from connector.rules.model.errors import Fault
from connector.rules.model.interactions import InteractionType
from connector.rules.model.nearest import suggestion
from connector.rules.model.predicates import All, Any_, Did, Interacted, Predicate
from connector.rules.model.schedules import SendAt
from connector.rules.publishing.audiences import parts_of
from connector.rules.publishing.checks import Check, Publication
from connector.rules.publishing.facts import all_conditions, exception_conditions, past_conditions
from connector.rules.publishing.refusals import is_wholly_inside
from connector.rules.publishing.reported import (
    attribute_that_nobody_has,
    channel_without_a_provider,
    event_never_reported,
    how_many_can_be_reached,
    property_never_reported,
    variable_that_nobody_has,
)
from connector.rules.sending.launch_times import SendTime
from connector.rules.targeting.matching import topic_of_condition
from connector.rules.timing.windows import format_hours

T = InteractionType
_UNENCODED = re.compile(r"\|\s*(raw|safe)\b")


def audience_requires_trigger(one: Publication) -> Iterator[Fault]:
    """Warn of an audience that requires the trigger: it is evaluated before the trigger, so the first is missed
    (P8)."""
    triggers = {topic_of_condition(condition) for condition in one.follow_on.trigger} if one.follow_on else set()
    for key, condition in _required(one.campaign.audience, "audience"):
        if topic_of_condition(condition) in triggers:
            name = condition.event if isinstance(condition, EventCondition) else condition.interaction
            yield Fault(
                key,
                f"its audience requires the very {name} that triggers it, and is evaluated before it: "
                "each user's first one will be missed; remove it from the audience",
            )


def trigger_on_itself(one: Publication) -> Iterator[Fault]:
    """Warn of a trigger on the campaign itself: no user has an interaction with it before it was sent (P8)."""
    triggers = one.follow_on.trigger if one.follow_on else ()
    own = [isinstance(c, InteractionCondition) and c.target == one.campaign.id for c in triggers]
    for number in (number for number, is_own in enumerate(own) if is_own):
        rest = "" if all(own) else " by this trigger"
        yield Fault(
            f"delivery.trigger[{number}].campaign",
            f"its trigger is an interaction with {one.campaign.id} itself, which no user has before it is sent, "
            f"so that nothing starts it{rest}; name the campaign that comes before it",
        )


def event_named_like_an_interaction(one: Publication) -> Iterator[Fault]:
    """Warn of a condition on an event that has the name of an interaction: they are not the same (P8)."""
    for key, condition in all_conditions(one.campaign):
        if isinstance(condition, EventCondition) and condition.event in set(T):
            yield Fault(
                f"{key}.event",
                f"this listens to an event that your systems name {condition.event}, not to the interaction; "
                f"write {{interaction: {condition.event}, campaign: …}}",
            )


def target_of_the_audience_that_is_unknown(one: Publication) -> Iterator[Fault]:
    """Warn of a campaign or card in the audience that does not exist (P8)."""
    for key, condition in past_conditions(one.campaign):
        if isinstance(condition, InteractionCondition) and condition.target not in one.catalogue.entries:
            kind = "card" if condition.card else "campaign"
            yield Fault(
                f"{key}.{kind}",
                f"its audience names the {kind} {condition.target}, which does not exist; "
                + suggestion(condition.target, one.catalogue.entries, "name one that users may have interacted with"),
            )


def exception_by_machine_opens(one: Publication) -> Iterator[Fault]:
    """Warn of an `open_email` exception that machine opens satisfy (P8)."""
    for key, condition in exception_conditions(one.campaign):
        if _is_open(condition) and condition.opens != "human":
            yield Fault(
                f"{key}.opens" if condition.opens else key,
                f"its exception open_email of {condition.target} counts opens by machines too: some readers' mail "
                "programs open every mail, which would cancel the message; write opens: human",
            )


def exception_by_opens_alone(one: Publication) -> Iterator[Fault]:
    """Warn of an `open_email` exception without `click_email`: whoever loads no images clicks without an open (P8)."""
    exceptions = exception_conditions(one.campaign)
    clicks = {c.target for _, c in exceptions if isinstance(c, InteractionCondition) and _is_any_click(c)}
    for key, condition in exceptions:
        if _is_open(condition) and condition.target not in clicks:
            yield Fault(
                key,
                f"its exceptions name open_email of {condition.target} without click_email: readers whose mail program "
                "loads no images click without an open, and would get the message all the same; add "
                f"{{interaction: click_email, campaign: {condition.target}}}",
            )


def starts_later(one: Publication) -> Iterator[Fault]:
    """Warn of a `start` in the future: what happens before it does not count (P8)."""
    start = one.follow_on.start if one.follow_on else None
    if start is not None and start > one.now:
        yield Fault("delivery.start", f"what happens before its `start` ({start.isoformat()}) will not start it")


def inside_quiet_hours_of_some(one: Publication) -> Iterator[Fault]:
    """Warn of a `time_of_day` inside quiet hours of the other zone, which some users share (P8)."""
    hours, quiet = one.follow_on.time_of_day if one.follow_on else None, one.quiet_hours
    if hours is None or quiet is None or hours.zone == quiet.zone or not is_wholly_inside(hours, quiet):
        return
    yield Fault(
        "delivery.time_of_day",
        f"its `time_of_day` ({format_hours(hours)}, {hours.zone}) is wholly inside the quiet hours "
        f"({format_hours(quiet)}, {quiet.zone}) for users without a zone or in {one.catalogue.workspace.zone}: their "
        "messages would be dropped; give both the same zone, or move one of them",
    )


def conversion_or_control_group_that_the_target_lacks(one: Publication) -> Iterator[Fault]:
    """Warn of a conversion or control group that the target does not have: it can get one later (P8)."""
    return content_warnings(one.campaign, one.catalogue)


def empty_email(one: Publication) -> Iterator[Fault]:
    """Warn of an email with only a subject (P8)."""
    for key, content in one.campaign.keyed_contents:
        if content.email is not None and content.email.html is None and content.email.text is None:
            problem = "its email has neither `html` nor `text`: an empty email would be sent; write one of them"
            yield Fault(f"{key}.email", problem)


def value_without_encoding(one: Publication) -> Iterator[Fault]:
    """Warn of `raw`, or `safe` in HTML: whoever sets the value can write markup, or change a request (P8)."""
    for key, content in one.campaign.keyed_contents:
        webhook, email = content.webhook, content.email
        texts = {"webhook.url": webhook.url, "webhook.body": webhook.body} if webhook else {}
        texts |= {"email.html": email.html} if email else {}
        for field, text in texts.items():
            if text is not None and (match := _UNENCODED.search(text)):
                yield Fault(
                    f"{key}.{field}",
                    f"its {field} writes a value without encoding (`{match[1]}`): whoever sets it can change the "
                    "message; remove the filter unless only your own systems set it",
                )


def time_has_passed(one: Publication) -> Iterator[Fault]:
    """Warn of a scheduled original that is first published after its send time (W5)."""
    entry, delivery = one.catalogue.entries.get(one.campaign.id), one.campaign.delivery
    if not isinstance(delivery, Scheduled) or not isinstance(delivery.send, SendAt) or (entry and entry.published):
        return
    time = SendTime(delivery.send, one.now, one.catalogue.workspace.zone)
    if time.as_written(None) < one.now:
        late = "; users for whom it passed more than an hour before the publication get no message (stale)"
        problem = f"its time ({delivery.send.at}) has passed; it is sent at once{late if time.is_local else ''}"
        yield Fault("delivery.send.at", problem)


WARNINGS: tuple[Check, ...] = (
    empty_email,
    value_without_encoding,
    time_has_passed,
    audience_requires_trigger,
    trigger_on_itself,
    event_named_like_an_interaction,
    target_of_the_audience_that_is_unknown,
    exception_by_machine_opens,
    exception_by_opens_alone,
    starts_later,
    inside_quiet_hours_of_some,
    conversion_or_control_group_that_the_target_lacks,
    event_never_reported,
    property_never_reported,
    attribute_that_nobody_has,
    variable_that_nobody_has,
    channel_without_a_provider,
    how_many_can_be_reached,
)


def _is_open(condition: Condition) -> TypeGuard[InteractionCondition]:
    return isinstance(condition, InteractionCondition) and condition.interaction is T.OPEN_EMAIL


def _is_any_click(condition: InteractionCondition) -> bool:
    return condition.interaction is T.CLICK_EMAIL and condition.url is None and not condition.where


def _required(predicate: Predicate, key: str) -> Iterator[tuple[str, Condition]]:
    """Yield the conditions that every user of the audience must have met, as far as is obvious."""
    if isinstance(predicate, Interacted):
        yield f"{key}.interacted", predicate.interacted
    elif isinstance(predicate, Did):
        yield f"{key}.did", predicate.did
    elif isinstance(predicate, All) or (isinstance(predicate, Any_) and len(predicate.any) == 1):
        word = "all" if isinstance(predicate, All) else "any"
        for number, part in enumerate(parts_of(predicate)):
            yield from _required(part, f"{key}.{word}[{number}]")
