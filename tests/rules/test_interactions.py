"""The wire models of interactions, events and users: what is taken, and what is refused (design 8, M5, M7)."""

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


def _reported(**changes: Any) -> dict[str, Any]:
    report = {"id": "e1", "user": "u", "type": "open_email", "campaign": "welcome", "occurred_at": AT, **changes}
    return {name: value for name, value in report.items() if value is not ...}


def _event(**changes: Any) -> dict[str, Any]:
    return _reported(**{"type": "event", "name": "cart_updated", "campaign": ..., **changes})


def test_the_kinds_are_the_contract() -> None:
    """Design 8: 21 kinds, by these names."""
    assert {kind.value for kind in InteractionType} == CONTRACT
    assert len(CONTRACT) == 21


def test_what_kinds_belong_together() -> None:
    """P3, M4, M5: what comes about at launch, what handing over makes, and what cards have."""
    receives = {"receive_email", "receive_sms", "receive_push", "receive_webhook"}
    assert {"enroll_in_control_group", *receives} == LAUNCH_TIME
    assert {name.removeprefix("receive_"): name for name in receives} == RECEIVE_TYPES
    assert {"view_news_feed_card", "click_news_feed_card"} == CARD_INTERACTIONS


@pytest.mark.parametrize("kind", sorted(CONTRACT))
def test_every_kind_is_taken_for_a_campaign(kind: str) -> None:
    """Design 8: each of the 21 is an interaction with a campaign, and goes out as it came in."""
    item = Interaction.model_validate(_reported(type=kind, properties={"any": ["thing"]}))
    assert (item.target, item.name_or_type) == ("welcome", kind)
    assert item.model_dump(mode="json", exclude_none=True) == _reported(type=kind, properties={"any": ["thing"]})


@pytest.mark.parametrize("kind", sorted(CONTRACT))
def test_cards_have_two_interactions(kind: str) -> None:
    """M5: view and click of a News Feed card, and no others."""
    report = _reported(type=kind, campaign=..., card="banner")
    if kind in CARD_INTERACTIONS:
        assert Interaction.model_validate(report).target == "banner"
    else:
        with pytest.raises(ValidationError, match="a card has only the interactions"):
            Interaction.model_validate(report)


@pytest.mark.parametrize(
    ("report", "words"),
    [
        (_reported(campaign=...), "exactly one of campaign and card"),
        (_reported(card="c", type="view_news_feed_card"), "exactly one of campaign and card"),
        (_reported(type="open_mail"), "Input should be 'view_in_app_message'"),
        (_reported(user=...), "Field required"),
        (_reported(user=""), "at least 1 character"),
        (_reported(user=17), "valid string"),
        (_reported(user="u" * 256), "at most 255 characters"),
        (_reported(user="a\x00b"), "null characters"),
        (_reported(id=""), "at least 1 character"),
        (_reported(campaign="no spaces"), "should match pattern"),
        (_reported(occurred_at=...), "Field required"),
        (_reported(occurred_at="2026-03-02T12:00:00"), "timezone info"),
        (_reported(occurred_at="yesterday"), "is not a time"),
        (_reported(properties=[]), "valid dictionary"),
        (_reported(properties={"a": "\x00"}), "null characters"),
        (_reported(properties={"a": "x" * MAX_PROPERTIES_BYTES}), "larger than 32768 bytes"),
        (_reported(properties={"a": "ü" * (MAX_PROPERTIES_BYTES // 2)}), "larger than 32768 bytes"),
        (_reported(sku="A"), "Extra inputs are not permitted"),
    ],
)
def test_interactions_that_are_refused(report: dict[str, Any], words: str) -> None:
    """What is missing, unknown, too large or without a zone is told by its field."""
    with pytest.raises(ValidationError, match=words):
        Interaction.model_validate(report)


def test_properties_up_to_the_limit() -> None:
    """The limit itself is allowed, in bytes as they are written."""
    text = "x" * (MAX_PROPERTIES_BYTES - len('{"a":""}'))
    assert Interaction.model_validate(_reported(properties={"a": text})).properties["a"] == text


@pytest.mark.parametrize("written", ["2026-03-02T07:00:00-05:00", "2026-03-02T12:00:00+00:00", "2026-03-02T12:00:00Z"])
def test_times_are_instants(written: str) -> None:
    """M7: when something happened is an instant, whatever zone it is written in, so that it compares with arrival."""
    item = Interaction.model_validate(_reported(occurred_at=written))
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
    """Built-in events by their types, others by their own names; none of them has a target."""
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
    """An event without a name, of another type or with a target is none."""
    with pytest.raises(ValidationError, match=words):
        Event.model_validate(report)


def test_items_do_not_change() -> None:
    """What was reported stays as it was reported."""
    with pytest.raises(ValidationError, match="frozen"):
        Interaction.model_validate(_reported()).user = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"time_zone": "Mars/Olympus"}, "'Mars/Olympus' is not an IANA time zone; write one like Europe/Berlin"),
        ({"consent": {"email": "maybe"}}, "'subscribed' or 'unsubscribed'"),
        ({"consent": {"fax": "subscribed"}}, "'email', 'sms', 'push'"),
        ({"tier": "gold"}, "Extra inputs are not permitted"),
    ],
)
def test_users_that_are_refused(described: dict[str, Any], words: str) -> None:
    """A user's zone, consent and fields are the ones there are; facts of one's own are attributes."""
    with pytest.raises(ValidationError, match=words):
        User.model_validate({"id": "u", **described})


def test_null_characters_are_told_from_their_spelling() -> None:
    """A null character cannot be stored; a text that only spells one can."""
    assert has_null_character({"a": [{"b\x00": 1}]})
    assert not has_null_character({"a": ["\\u0000", 0, None]})
