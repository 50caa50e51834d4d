"""Prove from a predicate alone that it holds for no user, or for every user."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from connector.rules.model.predicates import All, Any_, AttributePredicate, Not, Predicate
from connector.rules.targeting.audience import matches_attribute

_NEEDS_A_VALUE = frozenset({"is", "in", "more_than", "at_least", "less_than", "at_most", "contains"})
"""The operators that do not hold for a missing attribute."""


def parts_of(predicate: Predicate) -> Sequence[Predicate]:
    """Return the predicates that a combination combines."""
    if isinstance(predicate, All | Any_):
        return predicate.all if isinstance(predicate, All) else predicate.any
    return [predicate.not_] if isinstance(predicate, Not) else []


def walk(predicate: Predicate, path: str = "audience") -> Iterator[tuple[str, Predicate]]:
    """Yield a predicate and everything that it combines, each with its dotted key."""
    yield path, predicate
    if isinstance(predicate, Not):
        yield from walk(predicate.not_, f"{path}.not")
    elif isinstance(predicate, All | Any_):
        word = "all" if isinstance(predicate, All) else "any"
        for number, part in enumerate(parts_of(predicate)):
            yield from walk(part, f"{path}.{word}[{number}]")


def holds_for_nobody(predicate: Predicate) -> bool:
    """Return whether it is certain that no user satisfies the predicate. False if it is not certain."""
    if isinstance(predicate, All):
        return any(map(holds_for_nobody, predicate.all)) or _contradicts_itself(predicate)
    if isinstance(predicate, Any_):
        return all(map(holds_for_nobody, predicate.any))
    if isinstance(predicate, Not):
        return holds_for_everybody(predicate.not_)
    return isinstance(predicate, AttributePredicate) and predicate.operator == "in" and not predicate.operand


def holds_for_everybody(predicate: Predicate) -> bool:
    """Return whether it is certain that every user satisfies the predicate. False if it is not certain."""
    if isinstance(predicate, All):
        return all(map(holds_for_everybody, predicate.all))
    if isinstance(predicate, Any_):
        return any(map(holds_for_everybody, predicate.any))
    if isinstance(predicate, Not):
        return holds_for_nobody(predicate.not_)
    if isinstance(predicate, AttributePredicate):
        return predicate.operator == "not_in" and not predicate.operand
    return predicate == "everyone"


def _contradicts_itself(predicate: All) -> bool:
    """Return whether two of its comparisons of one attribute exclude each other, like two values that it must have."""
    by_attribute: dict[str, list[AttributePredicate]] = defaultdict(list)
    for comparison in _required_comparisons(predicate):
        by_attribute[comparison.attribute].append(comparison)
    return any(len(comparisons) > 1 and _exclude_each_other(comparisons) for comparisons in by_attribute.values())


def _required_comparisons(predicate: Predicate) -> list[AttributePredicate]:
    if isinstance(predicate, AttributePredicate):
        return [predicate]
    return [one for part in predicate.all for one in _required_comparisons(part)] if isinstance(predicate, All) else []


def _exclude_each_other(comparisons: Sequence[AttributePredicate]) -> bool:
    must_be_missing = any(one.operator == "exists" and one.operand is False for one in comparisons)
    needs_a_value = any(
        (one.operator in _NEEDS_A_VALUE and one.operand is not None)
        or (one.operator == "exists" and one.operand is True)
        for one in comparisons
    )
    if (must_be_missing and needs_a_value) or _is_empty_range(comparisons):
        return True
    for one in comparisons:
        if one.operator in ("is", "in"):
            values = one.operand if one.operator == "in" else [one.operand]
            if None not in values:
                return not any(_satisfies_all(comparisons, value) for value in values)
    return False


def _satisfies_all(comparisons: Sequence[AttributePredicate], value: Any) -> bool:
    return all(matches_attribute(one, {one.attribute: value}) for one in comparisons)


def _is_empty_range(comparisons: Sequence[AttributePredicate]) -> bool:
    """Return whether a number would have to be above one limit and below another that is not above it."""
    lower = [one for one in comparisons if one.operator in ("more_than", "at_least") and _is_number(one.operand)]
    upper = [one for one in comparisons if one.operator in ("less_than", "at_most") and _is_number(one.operand)]
    return any(
        low.operand > high.operand
        or (low.operand == high.operand and (low.operator, high.operator) != ("at_least", "at_most"))
        for low in lower
        for high in upper
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
