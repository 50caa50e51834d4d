"""How what was looked at is spelled for people: times, items, conditions, hours, windows, audiences."""

from __future__ import annotations

import re
from typing import Any

from connector.rules.catalogue.catalogue import Entry
from connector.rules.model.campaigns import FrequencyCap
from connector.rules.model.conditions import REFINEMENTS, Condition, EventCondition
from connector.rules.model.interactions import Interaction, Item
from connector.rules.model.predicates import All, Any_, AttributePredicate, Did, Interacted, Not, Predicate
from connector.rules.model.schedules import EligibleAfter, QuietHours, TimeOfDay
from connector.rules.model.values import canonical_json, format_duration, format_instant

_PLAIN = re.compile(r"[^\W\d][\w.:/@-]*")


def describe_item(item: Item) -> str:
    """What a user did, with the properties that it was reported with."""
    about = f" of the {_kind(item)} {item.target}" if isinstance(item, Interaction) else ""
    return f"{item.name_or_type}{about}{_listed(item.properties)}"


def describe_condition(condition: Condition) -> str:
    """What a trigger or an exception listens to, with its refinements and its filter."""
    if isinstance(condition, EventCondition):
        return f"{condition.event}{_listed(condition.where)}"
    refined = {name: getattr(condition, name) for name in REFINEMENTS if getattr(condition, name) is not None}
    return f"{condition.interaction} of the {_kind(condition)} {condition.target}{_listed(refined | condition.where)}"


def describe_predicate(predicate: Predicate) -> str:
    """An audience, as one clause."""
    if predicate == "everyone":
        return "everyone"
    if isinstance(predicate, All):
        return f"all of ({'; '.join(map(describe_predicate, predicate.all))})"
    if isinstance(predicate, Any_):
        return f"any of ({'; '.join(map(describe_predicate, predicate.any))})"
    if isinstance(predicate, Not):
        return f"not ({describe_predicate(predicate.not_)})"
    if isinstance(predicate, AttributePredicate):
        return f"{predicate.attribute} {predicate.operator} {format_value(predicate.operand)}"
    condition = predicate.interacted if isinstance(predicate, Interacted) else predicate.did
    within = f" within {format_duration(condition.within)}" if condition.within is not None else ""
    return f"did {describe_condition(condition)}{within}"


def leaf_predicates(predicate: Predicate) -> list[AttributePredicate | Interacted | Did]:
    """The single questions that an audience asks, in the order in which they are written."""
    if isinstance(predicate, All | Any_):
        parts = predicate.all if isinstance(predicate, All) else predicate.any
        return [leaf for part in parts for leaf in leaf_predicates(part)]
    if isinstance(predicate, Not):
        return leaf_predicates(predicate.not_)
    return [predicate] if isinstance(predicate, AttributePredicate | Interacted | Did) else []


def describe_windows(entry: Entry) -> str:
    """When a campaign or card was live."""
    spelled = [
        f"from {format_instant(window.opened_at)} "
        + ("on" if window.closed_at is None else f"to {format_instant(window.closed_at)}")
        for window in entry.windows
    ]
    return f"{entry.id} was live {', '.join(spelled)}" if spelled else f"{entry.id} has never been published"


def describe_hours(hours: TimeOfDay | QuietHours, zone: str) -> str:
    """Hours of the day in the zone that they are meant in."""
    return f"{hours.from_:%H:%M} to {hours.to:%H:%M} in {zone}"


def describe_cap(cap: FrequencyCap) -> str:
    """A frequency cap."""
    days = "a day" if cap.days == 1 else f"in {cap.days} days"
    return f"at most {cap.at_most} {'messages' if cap.channel == 'any' else cap.channel} {days}"


def describe_eligibility(rule: str | EligibleAfter) -> str:
    """When a receiver may receive again, as written in the campaign."""
    return f"after {format_duration(rule.after)}" if isinstance(rule, EligibleAfter) else rule


def format_value(value: Any) -> str:
    """A JSON value; texts stand without quotes where nobody could take them for something else."""
    plain = isinstance(value, str) and _PLAIN.fullmatch(value) and value not in ("true", "false", "null")
    return str(value) if plain else canonical_json(value)


def _kind(named: Any) -> str:
    return "card" if named.card is not None else "campaign"


def _listed(named: dict[str, Any]) -> str:
    return f" ({', '.join(f'{name}: {format_value(value)}' for name, value in named.items())})" if named else ""
