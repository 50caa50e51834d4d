"""Compare JSON values as values, not as texts or as Python's types: 1 and 1.0 are one number, true is not 1 (M9).

RFC 8259 section 6 does not distinguish integers from other numbers, and a database may write a number in another way
than the sender did (PostgreSQL keeps 1e23 as an integer). A number is compared by its shortest decimal text, exactly:
two large integers that differ in the last digit are two values.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from connector.rules.model.values import canonical_json


def json_equal(left: Any, right: Any) -> bool:
    """Return whether two JSON values are equal, nested ones member by member."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(json_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(json_equal(value, right[name]) for name, value in left.items())
    return bool(with_whole_numbers(left) == with_whole_numbers(right))


def has_value(properties: Mapping[str, Any], name: str, wanted: Any) -> bool:
    """Return whether a property has this value. A property that is null is missing, and has none (M9)."""
    value = properties.get(name)
    return value is not None and json_equal(value, wanted)


def json_key(value: Any) -> str:
    """Return a text that is the same for equal JSON values, and only for them; null and a missing value share one
    text."""
    return canonical_json(with_whole_numbers(value))


def with_whole_numbers(value: Any) -> Any:
    """Return the value with every whole number as an integer: 1.0 as 1, -0.0 as 0, 1e23 as a 1 and 23 zeros."""
    if isinstance(value, float):
        return int(Decimal(repr(value))) if value.is_integer() else value
    if isinstance(value, list):
        return [with_whole_numbers(part) for part in value]
    if isinstance(value, dict):
        return {name: with_whole_numbers(part) for name, part in value.items()}
    return value
