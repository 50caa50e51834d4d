"""M9: `where`, `same` and `key` compare JSON values, and a property that is null is missing.

Sources: RFC 8259 section 3 (true, false and null are values of their own) and section 6 (numbers have no types);
RFC 8785 section 3.2.2.3 (1.0 and 1 are one number, -0 is 0); Python's data model, where `True == 1`; PostgreSQL's
documentation, "JSON Types" (jsonb keeps numbers as numeric); behaviour.md, M9, X3 and T2.
"""

from __future__ import annotations

from typing import Any

import pytest

from connector.rules.model.json_values import json_equal, json_key
from connector.rules.model.predicates import AttributePredicate
from connector.rules.targeting.audience import matches_attribute
from tests.support.builders import follow_on
from tests.support.playing import play_short
from tests.support.stories import LOOKED, begin, buy, look

ONE: list[tuple[Any, Any]] = [
    (1, 1.0),
    (0, -0.0),
    (0.0, -0.0),
    (-3, -3.0),
    (10**23, 1e23),
    (10**16, 1e16),
    (2**53, float(2**53)),
    (1.5, 1.50),
    ([1, [2.0]], [1.0, [2]]),
    ({"a": 1, "b": 2}, {"b": 2.0, "a": 1.0}),
    ([None], [None]),
    ("ä", "\u00e4"),
    (True, True),
    ([], []),
]
"""Pairs that are one value."""

TWO: list[tuple[Any, Any]] = [
    (True, 1),
    (True, 1.0),
    (False, 0),
    (False, -0.0),
    (True, "true"),
    ("1", 1),
    ("1.0", 1.0),
    ("", False),
    ("", 0),
    (0, []),
    ([], {}),
    ([1], 1),
    ([1, 2], [2, 1]),
    ([True], [1]),
    ({"a": True}, {"a": 1}),
    ({"a": None}, {}),
    ([None], []),
    (2**53 + 1, 2**53),
    (2**53 + 1, float(2**53)),
    (0.1 + 0.2, 0.3),
    ("a", "A"),
    ("a", "a "),
    ("\u00e4", "a\u0308"),
    ("null", "None"),
]
"""Pairs that are two values."""

PAIRS = [(*pair, True) for pair in ONE] + [(*pair, False) for pair in TWO]
CART = follow_on(
    "f", LOOKED, delay={"after": "1 hour"}, eligible_again="always",
    exceptions=[{"event": "make_purchase", "same": ["sku"]}],
)  # fmt: skip
BY_SKU = follow_on("f", LOOKED, delay={"after": "1 hour"}, eligible_again="always", key="properties.sku")


@pytest.mark.parametrize(("left", "right", "equal"), PAIRS)
def test_values(left: Any, right: Any, equal: bool) -> None:
    """M9: both ways, and two values have one key if and only if they are equal."""
    assert (json_equal(left, right), json_equal(right, left)) == (equal, equal)
    assert (json_key(left) == json_key(right)) is equal


@pytest.mark.parametrize(("left", "right", "equal"), PAIRS)
def test_where_same_and_key(left: Any, right: Any, equal: bool) -> None:
    """M9: the three places of a definition that compare properties."""
    filtered = follow_on("f", {**LOOKED, "where": {"sku": left}}, eligible_again="always")
    assert bool(play_short(filtered, begin("f"), look("10:00", "a", sku=right))) is equal
    same = play_short(CART, begin("f"), look("10:00", "a", sku=left), buy("10:10", "b", sku=right))
    assert same == (["10:10 f u a excepted b"] if equal else ["11:00 f u a sent push"])
    keyed = play_short(BY_SKU, begin("f"), look("10:00", "a", sku=left), look("10:10", "b", sku=right))
    second = "10:10 f u b refused already_waiting" if equal else "11:10 f u b sent push"
    assert sorted(keyed) == sorted([second, "11:00 f u a sent push"])


@pytest.mark.parametrize(("left", "right", "equal"), PAIRS)
def test_predicates(left: Any, right: Any, equal: bool) -> None:
    """M9 for attributes: `is`, `in` and `contains` and their opposites compare the same values."""

    def holds(operator: str, operand: Any, value: Any = right) -> bool:
        predicate = AttributePredicate.model_validate({"attribute": "a", operator: operand})
        return matches_attribute(predicate, {"a": value})

    assert (holds("is", left), holds("is_not", left)) == (equal, not equal)
    assert (holds("in", [left]), holds("not_in", [left])) == (equal, not equal)
    assert holds("contains", left, [right]) is equal


@pytest.mark.parametrize("missing", [{}, {"sku": None}])
@pytest.mark.parametrize("other", [{}, {"sku": None}, {"sku": "A"}])
def test_null_is_missing(missing: dict[str, Any], other: dict[str, Any]) -> None:
    """M9: null is never the same as anything, not even as null; it has one key with a missing property."""
    waits = begin("f"), look("10:00", "a", **missing)
    assert play_short(CART, *waits, buy("10:10", "b", **other)) == ["11:00 f u a sent push"]
    keyed = play_short(BY_SKU, *waits, look("10:10", "b", **other))
    assert ("10:10 f u b refused already_waiting" in keyed) is (other.get("sku") is None)
    filtered = follow_on("f", {**LOOKED, "where": {"sku": None}})
    assert play_short(filtered, *waits) == []
