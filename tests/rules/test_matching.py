"""Whether an interaction or event matches a condition (M1, M2, M5, X3), and which conditions are valid."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from connector.rules.model.conditions import Condition
from connector.rules.model.interactions import Event, Interaction, InteractionType, Item
from connector.rules.model.json_values import json_equal
from connector.rules.targeting.matching import (
    Robots,
    has_same_properties,
    matches,
    passes_robot_filter,
    topic_of,
    topic_of_condition,
)

CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
AT = "2026-03-02T12:00:00Z"
CARDS = ("view_news_feed_card", "click_news_feed_card")
REQUIRED: dict[str, dict[str, Any]] = {
    "click_in_app_message_button": {"button": "1"},
    "click_email_alias": {"alias": "a"},
}


def _did(type: str, *, card: bool = False, target: str = "o", **properties: Any) -> Interaction:
    target_field = {"card" if card else "campaign": target}
    return Interaction.model_validate(
        {"user": "u", "type": type, "occurred_at": AT, "properties": properties, **target_field}
    )


def _event(name: str, **properties: Any) -> Event:
    return Event.model_validate(
        {"user": "u", "type": "event", "name": name, "occurred_at": AT, "properties": properties}
    )


def _condition(type: str, *, card: bool = False, target: str = "o", **refinements: Any) -> Condition:
    return CONDITION.validate_python({"interaction": type, "card" if card else "campaign": target, **refinements})


@pytest.mark.parametrize("type", [type.value for type in InteractionType])
def test_every_type_matches_itself_only(type: str) -> None:
    """M1: an interaction matches the condition of its own type; others only if a click has two types."""
    matched = {
        other.value
        for other in InteractionType
        if matches(_did(type, **REQUIRED.get(type, {})), _condition(other.value, **REQUIRED.get(other.value, {})))
    }
    expected = {
        "click_email_alias": {"click_email_alias", "click_email"},
        "click_in_app_message_button": {"click_in_app_message_button", "click_in_app_message"},
    }
    assert matched == expected.get(type, {type})


@pytest.mark.parametrize(
    ("item", "condition", "expected"),
    [
        # any click, whichever of the two wire types reports it
        (_did("click_email"), _condition("click_email"), True),
        (_did("click_email_alias", alias="x"), _condition("click_email"), True),
        (_did("click_email", alias="cta_main"), _condition("click_email_alias", alias="cta_main"), True),
        (_did("click_email", url="https://a"), _condition("click_email", url="https://a"), True),
        (_did("click_email_alias", alias="x", url="https://a"), _condition("click_email", url="https://a"), True),
        (_did("click_email", url="https://a/"), _condition("click_email", url="https://a"), False),
        (_did("click_in_app_message"), _condition("click_in_app_message"), True),
        (_did("click_in_app_message_button", button="1"), _condition("click_in_app_message"), True),
        (_did("click_in_app_message", button="1"), _condition("click_in_app_message_button", button="1"), True),
        (_did("click_in_app_message"), _condition("click_in_app_message_button", button="1"), False),
        (_did("click_in_app_message_button", button="2"), _condition("click_in_app_message_button", button="1"), False),
        # case 3
        (_did("click_email_alias", alias="cta_main"), _condition("click_email_alias", alias="cta_main"), True),
        (_did("click_email_alias", alias="footer"), _condition("click_email_alias", alias="cta_main"), False),
        (_did("click_email", url="https://a"), _condition("click_email_alias", alias="cta_main"), False),
        # case 4
        (_did("click_push_button", button="snooze"), _condition("click_push_button", button="snooze"), True),
        (_did("click_push_button", button="snooze"), _condition("open_push"), False),
        (_did("open_push"), _condition("click_push_button"), False),
        # button and page may be left open
        (_did("click_push_button", button="snooze"), _condition("click_push_button"), True),
        (_did("click_push_button"), _condition("click_push_button", button="snooze"), False),
        (_did("click_push_story_page", page="2"), _condition("click_push_story_page"), True),
        (_did("click_push_story_page", page="2"), _condition("click_push_story_page", page="3"), False),
        # opaque strings, compared exactly
        (_did("click_push_button", button="Snooze"), _condition("click_push_button", button="snooze"), False),
        (_did("click_push_button", button=1), _condition("click_push_button", button="1"), True),
        # the primary conversion by default
        (_did("perform_conversion_event"), _condition("perform_conversion_event"), True),
        (_did("perform_conversion_event", conversion="A"), _condition("perform_conversion_event"), True),
        (_did("perform_conversion_event", conversion="B"), _condition("perform_conversion_event"), False),
        (
            _did("perform_conversion_event", conversion="B"),
            _condition("perform_conversion_event", conversion="B"),
            True,
        ),
        (_did("perform_conversion_event"), _condition("perform_conversion_event", conversion="B"), False),
    ],
)
def test_clicks_and_refinements(item: Item, condition: Condition, expected: bool) -> None:
    """M1: what each condition matches, by its refinements (cases 3 and 4)."""
    assert matches(item, condition) is expected


@pytest.mark.parametrize(
    ("opens", "reported", "expected"),
    [
        (None, None, True),
        (None, "machine", True),
        ("any", None, True),
        ("any", "human", True),
        ("any", "machine", True),
        ("human", "human", True),
        ("human", "machine", False),
        ("human", None, False),
        ("machine", "machine", True),
        ("machine", "human", False),
        ("machine", None, False),
    ],
)
def test_opens_by_their_classification(opens: str | None, reported: str | None, expected: bool) -> None:
    """M2: `any` matches all; an unclassified open matches only `any`."""
    properties: dict[str, Any] = {} if reported is None else {"opens": reported}
    refinements: dict[str, Any] = {} if opens is None else {"opens": opens}
    assert matches(_did("open_email", **properties), _condition("open_email", **refinements)) is expected


@pytest.mark.parametrize("type", [type.value for type in InteractionType])
def test_clicks_of_robots(type: str) -> None:
    """M2: a click flagged as a robot's counts only if the workspace counts robots; other interactions always do."""
    flagged = _did(type, robot=True)
    assert passes_robot_filter(flagged, "ignore") is not type.startswith("click_")
    assert passes_robot_filter(flagged, "count")


@pytest.mark.parametrize(
    ("item", "robots", "expected"),
    [
        (_did("click_email"), "ignore", True),
        (_did("click_email", robot=False), "ignore", True),
        (_event("clicked", robot=True), "ignore", True),
        (_did("click_sms_link", robot=True), "ignore", False),
    ],
)
def test_only_flagged_clicks_are_robots(item: Item, robots: Robots, expected: bool) -> None:
    """M2: only `properties.robot: true` on a click marks a robot."""
    assert passes_robot_filter(item, robots) is expected


@pytest.mark.parametrize("type", CARDS)
def test_ids_do_not_cross_over(type: str) -> None:
    """M5: a card `x` and a campaign `x` are two targets."""
    for reported in (True, False):
        for required in (True, False):
            is_match = matches(_did(type, card=reported), _condition(type, card=required))
            assert is_match is (reported == required)


def test_only_the_named_target_matches() -> None:
    """X3: an interaction with another campaign does not match."""
    assert not matches(_did("open_push", target="other"), _condition("open_push"))
    assert not matches(_did("open_push", target="O"), _condition("open_push"))


@pytest.mark.parametrize(
    ("item", "condition", "expected"),
    [
        (_event("cart_updated"), {"event": "cart_updated"}, True),
        (_event("cart_updated"), {"event": "Cart_updated"}, False),
        (_event("open_push"), {"interaction": "open_push", "campaign": "o"}, False),
        (_did("open_push"), {"event": "open_push"}, False),
        (_event("e", sku="A"), {"event": "e", "where": {"sku": "A"}}, True),
        (_event("e", sku="A"), {"event": "e", "where": {"sku": "a"}}, False),
        (_event("e", sku="A", n=1), {"event": "e", "where": {"sku": "A", "n": 1.0}}, True),
        (_event("e", sku="A", n=1), {"event": "e", "where": {"sku": "A", "n": 2}}, False),
        (_event("e", n=1), {"event": "e", "where": {"n": True}}, False),
        (_event("e"), {"event": "e", "where": {"sku": None}}, False),
        (_event("e", sku=None), {"event": "e", "where": {"sku": None}}, False),
        (_did("open_push", os="ios"), {"interaction": "open_push", "campaign": "o", "where": {"os": "ios"}}, True),
        (_did("open_push"), {"interaction": "open_push", "campaign": "o", "where": {"os": "ios"}}, False),
    ],
)
def test_events_and_filters(item: Item, condition: dict[str, Any], expected: bool) -> None:
    """X3: events match by name, filters compare exactly; a property that is missing or null equals nothing (M9)."""
    assert matches(item, CONDITION.validate_python(condition)) is expected


def test_a_purchase_is_an_event_by_its_type() -> None:
    """Conditions name built-in events by their type."""
    bought = Event.model_validate({"user": "u", "type": "make_purchase", "occurred_at": AT})
    assert matches(bought, CONDITION.validate_python({"event": "make_purchase"}))
    assert not matches(bought, CONDITION.validate_python({"event": "start_session"}))


@pytest.mark.parametrize(
    ("properties", "trigger", "names", "expected"),
    [
        ({"sku": "A"}, {"sku": "A"}, ("sku",), True),
        ({"sku": "B"}, {"sku": "A"}, ("sku",), False),
        ({}, {}, ("sku",), False),
        ({"sku": None}, {}, ("sku",), False),
        ({"sku": None}, {"sku": None}, ("sku",), False),
        ({"sku": 1}, {"sku": True}, ("sku",), False),
        ({"sku": "A", "size": 1}, {"sku": "A", "size": 2}, ("sku", "size"), False),
        ({}, {}, (), True),
    ],
)
def test_same(properties: dict[str, Any], trigger: dict[str, Any], names: tuple[str, ...], expected: bool) -> None:
    """X3: `same` compares with the trigger's properties; missing and null are never the same (M9)."""
    assert has_same_properties(properties, trigger, names) is expected


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (True, True, True),
        (True, False, False),
        ("1", 1, False),
        (None, None, True),
        (None, False, False),
        ([1, [True]], [1.0, [True]], True),
        ([1, [True]], [1, [1]], False),
        ([1], [1, 2], False),
        ({"a": [1], "b": 2}, {"b": 2, "a": [1]}, True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": 1, "b": None}, False),
    ],
)
def test_equality_of_json(left: Any, right: Any, expected: bool) -> None:
    """X3: values compare as JSON: true is not 1, at any depth."""
    assert (json_equal(left, right), json_equal(right, left)) == (expected, expected)


@pytest.mark.parametrize(
    ("item", "condition"),
    [
        (_did("click_email_alias", alias="a"), _condition("click_email")),
        (_did("click_in_app_message"), _condition("click_in_app_message_button", button="1")),
        (_did("view_news_feed_card", card=True), _condition("view_news_feed_card", card=True)),
        (_event("e"), CONDITION.validate_python({"event": "e"})),
    ],
)
def test_items_and_conditions_share_topics(item: Item, condition: Condition) -> None:
    """An item has the topic of every condition that it may match: both types of a click have one topic."""
    assert topic_of(item) == topic_of_condition(condition)


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ({"interaction": "click_email_alias", "campaign": "o"}, "click_email_alias must name its alias"),
        ({"interaction": "click_in_app_message_button", "campaign": "o"}, "must name its button"),
        ({"interaction": "open_email"}, "exactly one of campaign and card"),
        ({"interaction": "view_news_feed_card", "campaign": "o", "card": "o"}, "exactly one of campaign and card"),
        ({"interaction": "open_email", "card": "o"}, "a card has only the interactions"),
        ({"interaction": "open_push", "campaign": "o", "button": "1"}, "button does not refine open_push"),
        ({"interaction": "click_email", "campaign": "o", "alias": "a"}, "it goes with click_email_alias"),
        ({"interaction": "open_email", "campaign": "o", "opens": "robot"}, "'any', 'human' or 'machine'"),
        ({"interaction": "perform_conversion_event", "campaign": "o", "conversion": "E"}, "'A', 'B', 'C' or 'D'"),
        ({"interaction": "open_mail", "campaign": "o"}, "Input should be 'view_in_app_message'"),
        ({"interaction": "open_email", "campaign": "o", "extra": 1}, "Extra inputs are not permitted"),
        ({"interaction": "open_email", "campaign": "no spaces"}, "should match pattern"),
        ({"event": ""}, "at least 1 character"),
        ({"event": "e", "campaign": "o"}, "Extra inputs are not permitted"),
    ],
)
def test_invalid_conditions_are_refused(condition: dict[str, Any], words: str) -> None:
    """M1, M5: a condition without a possible meaning is refused, and the error shows what would be right."""
    with pytest.raises(ValidationError, match=words):
        CONDITION.validate_python(condition)
