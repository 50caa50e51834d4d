"""Audiences: predicates over attributes, past interactions and past events (design 8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, Protocol

from connector.rules.model.addresses import ADDRESS_FIELDS, canonical_address, forms_of_fragment
from connector.rules.model.conditions import Condition
from connector.rules.model.json_values import json_equal, with_whole_numbers
from connector.rules.model.predicates import (
    All,
    Any_,
    AttributePredicate,
    Did,
    Interacted,
    Not,
    PastEvent,
    PastInteraction,
    Predicate,
)
from connector.rules.model.users import User, attributes_with


class History(Protocol):
    """A user's past interactions and events."""

    def has_match(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        """Return whether an item with t in [since, before) matches the condition; `since` None means ever."""
        ...


def is_in_audience(predicate: Predicate, user: User | None, history: History, at: datetime) -> bool:
    """Return whether the predicate holds for the user's current attributes and the history strictly before `at` (UTC).

    Attributes have no history: they are the current ones whatever `at` is (A2). A user who was never described has
    none, and profile fields are compared as attributes (A1).
    """
    if predicate == "everyone":
        return True
    if isinstance(predicate, All):
        return all(is_in_audience(part, user, history, at) for part in predicate.all)
    if isinstance(predicate, Any_):
        return any(is_in_audience(part, user, history, at) for part in predicate.any)
    if isinstance(predicate, Not):
        return not is_in_audience(predicate.not_, user, history, at)
    if isinstance(predicate, AttributePredicate):
        return matches_attribute(predicate, attributes_with(user, predicate.attribute))
    condition = predicate.interacted if isinstance(predicate, Interacted) else predicate.did
    since = None if condition.within is None else at - condition.within
    return history.has_match(condition, since, at)


def past_conditions(predicate: Predicate) -> list[PastInteraction | PastEvent]:
    """Return the conditions on the user's history in the predicate."""
    if isinstance(predicate, All | Any_):
        parts = predicate.all if isinstance(predicate, All) else predicate.any
        return [condition for part in parts for condition in past_conditions(part)]
    if isinstance(predicate, Not):
        return past_conditions(predicate.not_)
    if isinstance(predicate, Interacted | Did):
        return [predicate.interacted if isinstance(predicate, Interacted) else predicate.did]
    return []


def needs_history(predicate: Predicate) -> bool:
    """Return whether evaluating the predicate needs the user's history."""
    return bool(past_conditions(predicate))


def matches_attribute(predicate: AttributePredicate, attributes: Mapping[str, Any]) -> bool:
    """Return whether the comparison holds; for a missing attribute only is_not, not_in and exists: false do.

    `email` and `phone` are compared as addresses, in their canonical form.
    """
    operator, operand = predicate.operator, predicate.operand
    if operator == "exists":
        return (predicate.attribute in attributes) is operand
    if predicate.attribute not in attributes:
        return operator in ("is_not", "not_in")
    value, channel = attributes[predicate.attribute], ADDRESS_FIELDS.get(predicate.attribute)
    if channel is not None and isinstance(value, str):
        value = canonical_address(channel, value)
        if operator == "contains":
            return isinstance(operand, str) and any(form in value for form in _forms_of_fragment(channel, operand))
        operand = _canonical_operand(channel, operand)
    return _COMPARISONS[operator](value, operand)


@lru_cache(maxsize=1024)
def _forms_of_fragment(channel: str, text: str) -> frozenset[str]:
    return frozenset(forms_of_fragment(channel, text))


def _canonical_operand(channel: str, operand: Any) -> Any:
    """Return an address, or each of several, in the form in which addresses are compared."""
    if isinstance(operand, list):
        return [_canonical_operand(channel, one) for one in operand]
    return canonical_address(channel, operand) if isinstance(operand, str) else operand


def _is_in(value: Any, operands: list[Any]) -> bool:
    return any(json_equal(value, operand) for operand in operands)


def _contains(value: Any, operand: Any) -> bool:
    if isinstance(value, str):
        return isinstance(operand, str) and operand in value
    return isinstance(value, list) and _is_in(operand, value)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Compare numbers with numbers and texts with texts; a comparison of anything else does not hold."""

    def compare_alike(value: Any, operand: Any) -> bool:
        for kind in (int | float, str):
            if isinstance(value, kind) and isinstance(operand, kind):
                if isinstance(value, bool) or isinstance(operand, bool):
                    return False
                return compare(with_whole_numbers(value), with_whole_numbers(operand))
        return False

    return compare_alike


_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "is": json_equal,
    "is_not": lambda value, operand: not json_equal(value, operand),
    "in": _is_in,
    "not_in": lambda value, operands: not _is_in(value, operands),
    "more_than": _ordered(lambda value, operand: value > operand),
    "at_least": _ordered(lambda value, operand: value >= operand),
    "less_than": _ordered(lambda value, operand: value < operand),
    "at_most": _ordered(lambda value, operand: value <= operand),
    "contains": _contains,
}
