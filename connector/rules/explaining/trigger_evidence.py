"""The evidence for refused and superseded triggers: one function per reason of the list "at the trigger"."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from connector.rules.catalogue.catalogue import Entry
from connector.rules.explaining.context import DecisionContext, EvidenceItem
from connector.rules.explaining.wording import (
    describe_eligibility,
    describe_item,
    describe_predicate,
    describe_windows,
    format_value,
    leaf_predicates,
)
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.predicates import AttributePredicate
from connector.rules.model.users import attributes_with
from connector.rules.model.values import format_instant
from connector.rules.targeting.audience import is_in_audience
from connector.rules.targeting.eligibility import eligible_from


def before_publish(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield when it happened, and the first publication after that (P2)."""
    first = context.entry.first_effective_at
    yield instant_evidence("happened_at", "it happened at", context.logged.t)
    if first is not None:
        yield instant_evidence("first_published_at", "the campaign was first published at", first)


def not_live(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield when it happened and arrived, and when the campaign was live (P2)."""
    entry, logged = context.entry, context.logged
    for name, words, at, is_live in (
        ("happened_at", "it happened", logged.t, entry.window_at(logged.t) is not None),
        ("arrived_at", "it arrived", logged.received_at, entry.was_live_at(logged.received_at)),
    ):
        live = "while the campaign was live" if is_live else "while the campaign was not live"
        yield EvidenceItem(name, format_instant(at), f"{words} at {format_instant(at)}, {live}")
    yield windows_evidence(context.entry)


def target_inactive(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield when the target was live, and the workspace's `target` setting (P1)."""
    target = context.catalogue.target_of(context.logged.item)
    yield instant_evidence("happened_at", "it happened at", context.logged.t)
    if target is None:
        yield EvidenceItem("target", context.logged.item.target, f"{context.logged.item.target} is not known")
    else:
        yield windows_evidence(target)
    if context.catalogue.workspace.target == "ever_published":
        yield EvidenceItem(
            "target_setting", "ever_published", "`target: ever_published` requires that it was published by then"
        )


def duration(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the campaign's `start` and `end`."""
    yield instant_evidence("judged_as_of", "it was evaluated as of", context.evaluated_as_of)
    limits = context.follow_on
    if limits and limits.start:
        yield instant_evidence("start", "the campaign's `start` is", limits.start)
    if limits and limits.end:
        yield instant_evidence("end", "the campaign's `end` is", limits.end)


def not_in_audience(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the audience, and each of its predicates with its result as known now."""
    if context.campaign is None:
        return
    audience = context.campaign.audience
    yield EvidenceItem("audience", describe_predicate(audience), f"the audience is {describe_predicate(audience)}")
    for leaf in leaf_predicates(audience):
        holds = is_in_audience(leaf, context.user, context.history, context.evaluated_as_of)
        attribute = ""
        if isinstance(leaf, AttributePredicate):
            attributes = attributes_with(context.user, leaf.attribute)
            value = format_value(attributes[leaf.attribute]) if leaf.attribute in attributes else "not known"
            attribute = f", the user's {leaf.attribute} is {value}"
        answer = "yes" if holds else "no"
        yield EvidenceItem(
            "asked", {describe_predicate(leaf): holds}, f"{describe_predicate(leaf)}? {answer} as known now{attribute}"
        )


def not_eligible_again(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the receipt, `eligible_again`, and the instant from which the user may receive again (T1)."""
    if context.received_at is None:
        yield EvidenceItem("received_at", None, "the time of the user's receipt is not kept any more")
    else:
        yield instant_evidence("received_at", "the user received it at", context.received_at)
    rule = context.follow_on.eligible_again if context.follow_on else None
    if rule is None:
        return
    words = describe_eligibility(rule)
    yield EvidenceItem("eligible_again", words, f"`eligible_again` is {words}")
    eligible_at = eligible_from(rule, context.received_at) if context.received_at else None
    if eligible_at is not None:
        yield instant_evidence("again_from", "the user may receive it again from", eligible_at)


def already_waiting(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the follow-up that blocked the trigger, and until when (T2)."""
    blocking = context.blocking
    if blocking is None:
        return
    trigger = blocking.trigger
    words = f"{describe_item(trigger.item)} ({trigger.id}) began it at {format_instant(trigger.t)}"
    yield EvidenceItem("standing", blocking.id, words)
    yield instant_evidence("due_at", "it was due at", blocking.due_at)
    if blocking.ended_at is not None:
        yield instant_evidence("ended_at", "it was open until", blocking.ended_at)
    elif blocking.next_at != blocking.due_at:
        yield instant_evidence("next_at", "it waits until", blocking.next_at)
    if context.follow_on:
        yield EvidenceItem("retrigger", context.follow_on.retrigger, f"`retrigger` is {context.follow_on.retrigger}")


def superseded(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the trigger that superseded it, by event time (T2, T5)."""
    if context.successor is not None:
        yield _successor(context.successor)
    elif context.follow_up is not None and context.follow_up.exception_at == context.follow_up.trigger.t:
        yield EvidenceItem("successor", None, "in event order, another follow-up was open in its place")


def duplicate(context: DecisionContext) -> Iterator[EvidenceItem]:
    """Yield the id that was logged before (M6)."""
    yield EvidenceItem("interaction", context.logged.id, f"the id {context.logged.id} was logged before")


def instant_evidence(name: str, words: str, at: datetime) -> EvidenceItem:
    """Return a fact that is an instant."""
    return EvidenceItem(name, format_instant(at), f"{words} {format_instant(at)}")


def windows_evidence(entry: Entry) -> EvidenceItem:
    """Return when a campaign or card was live."""
    windows = [
        {"opened_at": format_instant(window.opened_at), "closed_at": format_instant(window.closed_at)}
        for window in entry.windows
    ]
    return EvidenceItem("windows", {entry.id: windows}, describe_windows(entry))


def _successor(follow_up: FollowUp) -> EvidenceItem:
    trigger, due_at = follow_up.trigger, format_instant(follow_up.due_at)
    words = f"{describe_item(trigger.item)} ({trigger.id}) at {format_instant(trigger.t)} superseded it"
    return EvidenceItem("successor", follow_up.id, f"{words}; its own follow-up was due at {due_at}")
