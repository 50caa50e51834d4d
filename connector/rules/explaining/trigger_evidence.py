"""What was looked at where a trigger was refused: a function for each step "at the trigger", and for what overtook."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from connector.rules.catalogue.catalogue import Entry
from connector.rules.explaining.context import DecisionContext
from connector.rules.explaining.reasons import EvidenceItem
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
from connector.rules.model.values import format_instant
from connector.rules.targeting.audience import is_in_audience
from connector.rules.targeting.eligibility import eligible_from


def before_publish(case: DecisionContext) -> Iterator[EvidenceItem]:
    """P2: the first publication, after the event."""
    first = case.entry.first_effective_at
    yield instant_evidence("happened_at", "it happened at", case.logged.t)
    if first is not None:
        yield instant_evidence("first_published_at", "the campaign was published first at", first)


def not_live(case: DecisionContext) -> Iterator[EvidenceItem]:
    """P2: the windows, and which of the two times falls outside of them."""
    for name, words, at in (
        ("happened_at", "it happened", case.logged.t),
        ("arrived_at", "it arrived", case.logged.received_at),
    ):
        live = "while the campaign was live" if case.entry.window_at(at) else "while the campaign was not live"
        yield EvidenceItem(name, format_instant(at), f"{words} at {format_instant(at)}, {live}")
    yield windows_evidence(case.entry)


def target_inactive(case: DecisionContext) -> Iterator[EvidenceItem]:
    """P1: when the target was live, and what the workspace asks of it."""
    target = case.catalogue.target_of(case.logged.item)
    yield instant_evidence("happened_at", "it happened at", case.logged.t)
    if target is None:
        yield EvidenceItem("target", case.logged.item.target, f"{case.logged.item.target} is not known")
    else:
        yield windows_evidence(target)
    if case.catalogue.workspace.target == "ever_published":
        yield EvidenceItem(
            "target_setting", "ever_published", "`target: ever_published` asks that it was published by then"
        )


def duration(case: DecisionContext) -> Iterator[EvidenceItem]:
    """The campaign's `start` and `end`."""
    yield instant_evidence("judged_as_of", "it was judged as of", case.evaluated_as_of)
    limits = case.follow_on
    if limits and limits.start:
        yield instant_evidence("start", "the campaign's `start` is", limits.start)
    if limits and limits.end:
        yield instant_evidence("end", "the campaign's `end` is", limits.end)


def not_in_audience(case: DecisionContext) -> Iterator[EvidenceItem]:
    """The audience, and each question that it asks with the answer as known now."""
    if case.campaign is None:
        return
    audience = case.campaign.audience
    yield EvidenceItem("audience", describe_predicate(audience), f"the audience is {describe_predicate(audience)}")
    for leaf in leaf_predicates(audience):
        holds = is_in_audience(leaf, case.user, case.history, case.evaluated_as_of)
        had = ""
        if isinstance(leaf, AttributePredicate):
            attributes = case.user.attributes
            value = format_value(attributes[leaf.attribute]) if leaf.attribute in attributes else "not known"
            had = f", the user's {leaf.attribute} is {value}"
        answer = "yes" if holds else "no"
        yield EvidenceItem(
            "asked", {describe_predicate(leaf): holds}, f"{describe_predicate(leaf)}? {answer} as known now{had}"
        )


def not_eligible_again(case: DecisionContext) -> Iterator[EvidenceItem]:
    """T1: the receipt, the rule, and the instant from which it lets the user receive again."""
    if case.received_at is None:
        yield EvidenceItem("received_at", None, "when the user received it is not kept any more")
    else:
        yield instant_evidence("received_at", "the user received it at", case.received_at)
    rule = case.follow_on.eligible_again if case.follow_on else None
    if rule is None:
        return
    words = describe_eligibility(rule)
    yield EvidenceItem("eligible_again", words, f"`eligible_again` is {words}")
    again = eligible_from(rule, case.received_at) if case.received_at else None
    if again is not None:
        yield instant_evidence("again_from", "the user may receive it again from", again)


def already_waiting(case: DecisionContext) -> Iterator[EvidenceItem]:
    """T2: which one stood in the way, and until when."""
    standing = case.blocking
    if standing is None:
        return
    words = f"{describe_item(standing.trigger.item)} ({standing.trigger.id}) began it at {_at(standing.trigger.t)}"
    yield EvidenceItem("standing", standing.id, words)
    yield instant_evidence("due_at", "it was due at", standing.due_at)
    if standing.ended_at is not None:
        yield instant_evidence("ended_at", "it stood until", standing.ended_at)
    elif standing.next_at != standing.due_at:
        yield instant_evidence("next_at", "it waits until", standing.next_at)
    if case.follow_on:
        yield EvidenceItem("retrigger", case.follow_on.retrigger, f"`retrigger` is {case.follow_on.retrigger}")


def superseded(case: DecisionContext) -> Iterator[EvidenceItem]:
    """T2, T5: the trigger that took its place, by its own time."""
    by = case.successor
    if by is not None:
        yield _successor(by)
    elif case.follow_up is not None and case.follow_up.exception_at == case.follow_up.trigger.t:
        yield EvidenceItem("successor", None, "in the order in which things happened, another one stood in its place")


def duplicate(case: DecisionContext) -> Iterator[EvidenceItem]:
    """M6: the id that had been seen."""
    yield EvidenceItem("interaction", case.logged.id, f"the id {case.logged.id} was logged already")


def instant_evidence(name: str, words: str, at: datetime) -> EvidenceItem:
    """A fact that is an instant."""
    return EvidenceItem(name, _at(at), f"{words} {_at(at)}")


def windows_evidence(entry: Entry) -> EvidenceItem:
    """When a campaign or card was live."""
    windows = [
        {"opened_at": _at(window.opened_at), "closed_at": _at(window.closed_at) if window.closed_at else None}
        for window in entry.windows
    ]
    return EvidenceItem("windows", {entry.id: windows}, describe_windows(entry))


def _successor(by: FollowUp) -> EvidenceItem:
    words = f"{describe_item(by.trigger.item)} ({by.trigger.id}) at {_at(by.trigger.t)} took its place"
    return EvidenceItem("successor", by.id, f"{words}; that one was due at {_at(by.due_at)}")


def _at(at: datetime) -> str:
    return format_instant(at)
