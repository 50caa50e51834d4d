"""Audiences: predicates over attributes, past interactions and past events (design 8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from connector.rules.model.conditions import Condition
from connector.rules.model.predicates import Predicate
from connector.rules.model.users import User
from connector.rules.targeting.audience import is_in_audience, needs_history

PREDICATE: TypeAdapter[Predicate] = TypeAdapter(Predicate)
NOW = datetime.fromisoformat("2026-03-02T12:00:00Z")
ATTRIBUTES = {"tier": "gold", "n": 3, "ratio": 0.5, "vip": True, "tags": ["a", 1], "none": None, "joined": "2026-01-31"}
CLICKED = {"interacted": {"interaction": "click_email", "campaign": "welcome"}}
BOUGHT = {"did": {"event": "make_purchase", "within": "7 days"}}
GOLD = {"attribute": "tier", "is": "gold"}
SILVER = {"attribute": "tier", "is": "silver"}


@dataclass
class RecordingHistory:
    """A history in which these events or interactions happened; it records the queries."""

    happened: frozenset[str] = frozenset()
    asked: list[tuple[datetime | None, datetime]] = field(default_factory=list)

    def has_match(self, condition: Condition, since: datetime | None, before: datetime) -> bool:
        self.asked.append((since, before))
        return getattr(condition, "event", None) in self.happened or getattr(condition, "campaign", "") in self.happened


def _is_inside(predicate: Any, *happened: str, attributes: dict[str, Any] | None = None) -> bool:
    user = User(id="u", attributes=ATTRIBUTES if attributes is None else attributes)
    return is_in_audience(PREDICATE.validate_python(predicate), user, RecordingHistory(frozenset(happened)), NOW)


@pytest.mark.parametrize(
    ("attribute", "comparison", "expected"),
    [
        ("tier", {"is": "gold"}, True),
        ("tier", {"is": "Gold"}, False),
        ("n", {"is": 3}, True),
        ("n", {"is": 3.0}, True),
        ("n", {"is": "3"}, False),
        ("vip", {"is": True}, True),
        ("vip", {"is": 1}, False),
        ("n", {"is": True}, False),
        ("none", {"is": None}, True),
        ("missing", {"is": None}, False),
        ("tags", {"is": ["a", 1]}, True),
        ("tags", {"is": ["a", True]}, False),
        ("tier", {"is_not": "gold"}, False),
        ("tier", {"is_not": "silver"}, True),
        ("vip", {"is_not": 1}, True),
        ("missing", {"is_not": "gold"}, True),
        ("tier", {"in": ["silver", "gold"]}, True),
        ("vip", {"in": [1, "true"]}, False),
        ("tier", {"in": []}, False),
        ("missing", {"in": [None]}, False),
        ("tier", {"not_in": ["silver"]}, True),
        ("tier", {"not_in": ["gold"]}, False),
        ("missing", {"not_in": ["gold"]}, True),
        ("n", {"more_than": 2.5}, True),
        ("n", {"more_than": 3}, False),
        ("n", {"at_least": 3}, True),
        ("n", {"less_than": 3}, False),
        ("n", {"less_than": 4}, True),
        ("n", {"at_most": 3}, True),
        ("n", {"at_most": 2}, False),
        ("ratio", {"less_than": 1}, True),
        ("joined", {"at_least": "2026-01-01"}, True),
        ("joined", {"less_than": "2026-01-31"}, False),
        ("n", {"more_than": "2"}, False),
        ("joined", {"more_than": 2025}, False),
        ("vip", {"at_least": 1}, False),
        ("n", {"at_least": True}, False),
        ("none", {"at_most": 1}, False),
        ("missing", {"less_than": 1}, False),
        ("tier", {"contains": "ol"}, True),
        ("tier", {"contains": "OL"}, False),
        ("tags", {"contains": "a"}, True),
        ("tags", {"contains": True}, False),
        ("n", {"contains": 3}, False),
        ("tier", {"contains": 1}, False),
        ("missing", {"contains": "a"}, False),
        ("tier", {"exists": True}, True),
        ("tier", {"exists": False}, False),
        ("none", {"exists": True}, True),
        ("missing", {"exists": True}, False),
        ("missing", {"exists": False}, True),
    ],
)
def test_attribute_comparisons(attribute: str, comparison: dict[str, Any], expected: bool) -> None:
    """Comparisons are exact and typed as JSON; a missing attribute satisfies only is_not, not_in and exists: false."""
    assert _is_inside({"attribute": attribute, **comparison}) is expected


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("everyone", True),
        ({"all": [GOLD, {"attribute": "n", "is": 3}]}, True),
        ({"all": [GOLD, SILVER]}, False),
        ({"any": [SILVER, GOLD]}, True),
        ({"any": [SILVER, CLICKED]}, False),
        ({"not": SILVER}, True),
        ({"not": {"any": [SILVER, {"not": GOLD}]}}, True),
        ({"not": "everyone"}, False),
    ],
)
def test_combinations(predicate: Any, expected: bool) -> None:
    """all, any and not combine at any depth."""
    assert _is_inside(predicate) is expected


@pytest.mark.parametrize(
    ("predicate", "happened", "expected"),
    [
        (CLICKED, "welcome", True),
        (CLICKED, "other", False),
        (BOUGHT, "make_purchase", True),
        ({"not": BOUGHT}, "make_purchase", False),
        ({"not": BOUGHT}, "start_session", True),
    ],
)
def test_history(predicate: Any, happened: str, expected: bool) -> None:
    """Interactions and events hold if the history has a match."""
    assert _is_inside(predicate, happened) is expected


def test_history_ends_before_the_evaluation() -> None:
    """The history is queried up to the evaluation, from the beginning or from `within` before it."""
    history = RecordingHistory()
    is_in_audience(PREDICATE.validate_python({"any": [CLICKED, BOUGHT]}), User(id="u"), history, NOW)
    assert history.asked == [(None, NOW), (NOW - timedelta(days=7), NOW)]


@pytest.mark.parametrize("user", [None, User(id="u", phone="+49301", push_tokens=("token",))])
@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("everyone", True),
        (GOLD, False),
        ({"attribute": "tier", "is_not": "gold"}, True),
        ({"attribute": "tier", "exists": False}, True),
        ({"attribute": "first_name", "exists": True}, False),
        ({"attribute": "email", "is_not": "a@example.com"}, True),
    ],
)
def test_without_attributes(user: User | None, predicate: Any, expected: bool) -> None:
    """A user who was never described has no attributes; of the profile, only fields that are set are known (A1)."""
    assert is_in_audience(PREDICATE.validate_python(predicate), user, RecordingHistory(), NOW) is expected


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        ("everyone", False),
        (GOLD, False),
        (CLICKED, True),
        (BOUGHT, True),
        ({"all": [GOLD, {"not": BOUGHT}]}, True),
        ({"any": [GOLD, CLICKED]}, True),
        ({"any": [GOLD, {"not": SILVER}]}, False),
    ],
)
def test_which_predicates_need_history(predicate: Any, expected: bool) -> None:
    """Only predicates that contain an interaction or an event need the log."""
    assert needs_history(PREDICATE.validate_python(predicate)) is expected


@pytest.mark.parametrize(
    ("predicate", "words"),
    [
        ({"attribute": "a"}, "exactly one of is, is_not"),
        ({"attribute": "a", "is": 1, "exists": True}, "exactly one of is, is_not"),
        ({"attribute": "a", "in": None}, "in needs something to compare with"),
        ({"attribute": "a", "more_than": None}, "more_than needs something to compare with"),
        ({"attribute": "a", "exists": None}, "exists needs something to compare with"),
    ],
)
def test_malformed_comparisons_are_refused(predicate: Any, words: str) -> None:
    """A comparison that could not be evaluated is refused when it is parsed."""
    with pytest.raises(ValidationError, match=words):
        PREDICATE.validate_python(predicate)
