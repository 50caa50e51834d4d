"""The wire models of interactions, events and users: what is accepted and what is refused (design 8, M5, M7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from connector.rules.model.interactions import (
    CARD_INTERACTIONS,
    LAUNCH_TIME,
    MAX_PROPERTIES_BYTES,
    RECEIVE_TYPES,
    Event,
    Interaction,
    InteractionType,
)
from connector.rules.model.users import User
from connector.rules.model.values import has_null_character

AT = "2026-03-02T12:00:00Z"
CONTRACT = {
    "view_in_app_message", "click_in_app_message", "click_in_app_message_button", "click_email", "click_email_alias",
    "open_email", "open_push", "click_push_button", "click_push_story_page", "perform_conversion_event",
    "receive_email", "receive_sms", "click_sms_link", "receive_push", "receive_webhook", "enroll_in_control_group",
    "view_content_card", "click_content_card", "dismiss_content_card", "view_news_feed_card", "click_news_feed_card",
}  # fmt: skip


def _report(**changes: Any) -> dict[str, Any]:
    report = {"id": "e1", "user": "u", "type": "open_email", "campaign": "welcome", "occurred_at": AT, **changes}
    return {name: value for name, value in report.items() if value is not ...}


def _event(**changes: Any) -> dict[str, Any]:
    return _report(**{"type": "event", "name": "cart_updated", "campaign": ..., **changes})


def test_the_types_are_the_contract() -> None:
    """Design 8: there are 21 types with these names."""
    assert {type.value for type in InteractionType} == CONTRACT
    assert len(CONTRACT) == 21


def test_groups_of_types() -> None:
    """P3, M4, M5: the interactions of a launch, of a sent message, and of cards."""
    receives = {"receive_email", "receive_sms", "receive_push", "receive_webhook"}
    assert {"enroll_in_control_group", *receives} == LAUNCH_TIME
    assert {name.removeprefix("receive_"): name for name in receives} == RECEIVE_TYPES
    assert {"view_news_feed_card", "click_news_feed_card"} == CARD_INTERACTIONS


@pytest.mark.parametrize("type", sorted(CONTRACT))
def test_every_type_is_accepted_for_a_campaign(type: str) -> None:
    """Design 8: each of the 21 is an interaction with a campaign, and is serialised as it was reported."""
    item = Interaction.model_validate(_report(type=type, properties={"any": ["thing"]}))
    assert (item.target, item.name_or_type) == ("welcome", type)
    assert item.model_dump(mode="json", exclude_none=True) == _report(type=type, properties={"any": ["thing"]})


@pytest.mark.parametrize("type", sorted(CONTRACT))
def test_cards_have_two_interactions(type: str) -> None:
    """M5: a News Feed card has view and click, and no other interaction."""
    report = _report(type=type, campaign=..., card="banner")
    if type in CARD_INTERACTIONS:
        assert Interaction.model_validate(report).target == "banner"
    else:
        with pytest.raises(ValidationError, match="a card has only the interactions"):
            Interaction.model_validate(report)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (_report(campaign=...), "exactly one of campaign and card"),
        (_report(card="c", type="view_news_feed_card"), "exactly one of campaign and card"),
        (_report(type="open_mail"), "Input should be 'view_in_app_message'"),
        (_report(user=...), "Field required"),
        (_report(user=""), "at least 1 character"),
        (_report(user=17), "valid string"),
        (_report(user="u" * 256), "at most 255 characters"),
        (_report(user="a\x00b"), "null characters"),
        (_report(id=""), "at least 1 character"),
        (_report(campaign="no spaces"), "should match pattern"),
        (_report(occurred_at="2026-03-02T12:00:00"), "timezone info"),
        (_report(occurred_at="yesterday"), "is not a time"),
        (_report(properties=[]), "valid dictionary"),
        (_report(properties={"a": "\x00"}), "null characters"),
        (_report(properties={"a": "x" * MAX_PROPERTIES_BYTES}), "larger than 32768 bytes"),
        (_report(properties={"a": "ü" * (MAX_PROPERTIES_BYTES // 2)}), "larger than 32768 bytes"),
        (_report(sku="A"), "Extra inputs are not permitted"),
    ],
)
def test_interactions_that_are_refused(report: dict[str, Any], words: str) -> None:
    """The error names the field that is missing, unknown, too large or without a zone."""
    with pytest.raises(ValidationError, match=words):
        Interaction.model_validate(report)


def test_properties_up_to_the_limit() -> None:
    """The limit itself is allowed, in bytes of the serialised form."""
    text = "x" * (MAX_PROPERTIES_BYTES - len('{"a":""}'))
    assert Interaction.model_validate(_report(properties={"a": text})).properties["a"] == text


@pytest.mark.parametrize("written", ["2026-03-02T07:00:00-05:00", "2026-03-02T12:00:00+00:00", "2026-03-02T12:00:00Z"])
def test_times_are_instants(written: str) -> None:
    """M7: `occurred_at` is an instant in any zone, so that it compares with the arrival."""
    item = Interaction.model_validate(_report(occurred_at=written))
    assert item.occurred_at == datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("report", "name"),
    [
        (_event(), "cart_updated"),
        (_event(type="make_purchase", name=...), "make_purchase"),
        (_event(type="start_session", name=...), "start_session"),
    ],
)
def test_events_have_names(report: dict[str, Any], name: str) -> None:
    """Built-in events have their type as name, custom ones their own; no event has a target."""
    item = Event.model_validate(report)
    assert (item.name_or_type, item.target) == (name, None)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (_event(name=...), "an event needs a name"),
        (_event(name=""), "at least 1 character"),
        (_event(type="open_email"), "Input should be 'event', 'make_purchase' or 'start_session'"),
        (_event(campaign="welcome"), "Extra inputs are not permitted"),
        (_event(occurred_at="2026-03-02T12:00:00"), "timezone info"),
    ],
)
def test_events_that_are_refused(report: dict[str, Any], words: str) -> None:
    """An event without a name, of another type or with a target is refused."""
    with pytest.raises(ValidationError, match=words):
        Event.model_validate(report)


def test_items_are_immutable() -> None:
    """A reported item cannot be changed."""
    with pytest.raises(ValidationError, match="frozen"):
        Interaction.model_validate(_report()).user = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"time_zone": "Mars/Olympus"}, "'Mars/Olympus' is not an IANA time zone; write one like Europe/Berlin"),
        ({"time_zone": "localtime"}, "'localtime' is not an IANA time zone; write one like Europe/Berlin"),
        ({"consent": {"email": "maybe"}}, "'subscribed' or 'unsubscribed'"),
        ({"consent": {"fax": "subscribed"}}, "'email', 'sms', 'push'"),
        ({"tier": "gold"}, "Extra inputs are not permitted"),
    ],
)
def test_users_that_are_refused(described: dict[str, Any], words: str) -> None:
    """Unknown zones, consents and fields are refused; custom facts are attributes."""
    with pytest.raises(ValidationError, match=words):
        User.model_validate({"id": "u", **described})


def test_escaped_null_characters_are_allowed() -> None:
    """A null character cannot be stored; a text with its escape sequence can."""
    assert has_null_character({"a": [{"b\x00": 1}]})
    assert not has_null_character({"a": ["\\u0000", 0, None]})
