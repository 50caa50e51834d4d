"""M1 and M2: what refines an interaction is an opaque text, and robots' opens are machines' opens.

Sources: behaviour.md, M1 and M2 (decided); RFC 3986 section 6.2.1 (URLs compared character by character are never found
equal wrongly); Unicode Standard Annex 15 (the two forms of "é", which are not normalised here); Apple's
UNNotificationResponse (the action's identifier is an opaque text).
"""

from __future__ import annotations

from typing import Any

import pytest

from connector.ingest.parsing import UnreadableItem, parse_item, read_item
from connector.rules.model.interactions import Interaction
from connector.rules.model.values import show_value
from tests.support.builders import ORIGINAL, listener
from tests.support.playing import play_short
from tests.support.stories import begin, did

REFINED = [
    ("click_in_app_message_button", "click_in_app_message_button", "button"),
    ("click_in_app_message_button", "click_in_app_message", "button"),
    ("click_push_button", "click_push_button", "button"),
    ("click_push_button", "open_push", "button"),
    ("click_email_alias", "click_email_alias", "alias"),
    ("click_email_alias", "click_email", "alias"),
    ("click_email", "click_email", "url"),
    ("click_push_story_page", "click_push_story_page", "page"),
]
"""(the trigger's interaction, the reported type, the property)."""

VALUES: list[tuple[str, Any, bool]] = [
    ("cta", "cta", True),
    ("cta", "CTA", False),
    ("cta", "cta ", False),
    ("cta", " cta", False),
    ("cta", "cta\u200b", False),
    ("caf\u00e9", "caf\u00e9", True),
    ("caf\u00e9", "cafe\u0301", False),
    ("1", "1", True),
    ("1", 1, True),
    ("1", "01", False),
    ("01", 1, False),
    ("-1", -1, True),
    ("9007199254740993", 9007199254740993, True),
    ("cta", None, False),
]
"""(the value that the trigger names, the reported value, whether it counts)."""


def reported(type: str, **properties: Any) -> dict[str, Any]:
    moment = "2026-03-02T10:00:00Z"
    return {"user": "u", "type": type, "campaign": "o", "occurred_at": moment, "properties": properties}


@pytest.mark.parametrize(("wanted", "had", "counts"), VALUES)
@pytest.mark.parametrize(("interaction", "type", "name"), REFINED)
def test_texts(interaction: str, type: str, name: str, wanted: str, had: Any, counts: bool) -> None:
    """M1: opaque, compared exactly; an integer is its decimal text."""
    f = listener("f", interaction, {name: wanted})
    outcomes = play_short(ORIGINAL, f, begin("o", "f"), did("10:00", "i", type, campaign="o", properties={name: had}))
    assert outcomes == (["10:00 f u i sent push"] if counts else [])


@pytest.mark.parametrize("value", [True, False, 1.0, 1.5, [], ["cta"], {}, {"id": "cta"}])
@pytest.mark.parametrize(
    ("type", "name"),
    [(type, name) for _, type, name in REFINED]
    + [("perform_conversion_event", "conversion"), ("receive_push", "dispatch"), ("open_email", "opens")],
)
def test_other_types_are_invalid(type: str, name: str, value: Any) -> None:
    """M1: a value that is neither a text nor an integer is refused, and the fault names the property."""
    item = read_item(reported(type, **{name: value}))
    assert isinstance(item, UnreadableItem)
    assert item.fault.startswith(f"properties.{name}: {show_value(value)} is neither a text nor an integer")


@pytest.mark.parametrize(
    ("properties", "type", "button"),
    [
        ({}, "open_push", None),
        ({"button": None}, "open_push", None),
        ({"button": ""}, "open_push", ""),
        ({"button": "snooze"}, "click_push_button", "snooze"),
        ({"button": 2}, "click_push_button", "2"),
        ({"button": 0}, "click_push_button", "0"),
        ({"button": " "}, "click_push_button", " "),
        ({"page": "2"}, "open_push", None),
    ],
)
def test_open_push_with_a_button(properties: dict[str, Any], type: str, button: str | None) -> None:
    """M1: it is that button's click, from the moment at which it is read."""
    item = parse_item(reported("open_push", **properties))
    assert isinstance(item, Interaction)
    assert (item.type, item.properties.get("button")) == (type, button)


@pytest.mark.parametrize(
    ("wanted", "triggered"),
    [
        (("open_push", None), False),
        (("click_push_button", None), True),
        (("click_push_button", {"button": "snooze"}), True),
        (("click_push_button", {"button": "buy"}), False),
    ],
)
def test_the_button_of_an_open_push(wanted: tuple[str, Any], triggered: bool) -> None:
    """M1, case 4: an open by a button is not an open of the body."""
    story = did("10:00", "i", "open_push", campaign="o", properties={"button": "snooze"})
    assert bool(play_short(ORIGINAL, listener("f", *wanted), begin("o", "f"), story)) is triggered


def test_other_properties_are_free() -> None:
    """M1: a property refines only its own interactions; elsewhere it may have any type."""
    for type, properties in (
        ("open_email", {"url": 1.5}),
        ("click_sms_link", {"url": ["a"]}),
        ("receive_email", {"alias": True}),
    ):
        assert isinstance(parse_item(reported(type, **properties)), Interaction)


@pytest.mark.parametrize("robots", ["ignore", "count"])
@pytest.mark.parametrize(
    ("properties", "classes"),
    [
        ({}, ["any"]),
        ({"opens": "human"}, ["any", "human"]),
        ({"opens": "machine"}, ["any", "machine"]),
        ({"opens": "other"}, ["any"]),
        ({"opens": None}, ["any"]),
        ({"robot": True}, ["any", "machine"]),
        ({"robot": True, "opens": "human"}, ["any", "machine"]),
        ({"robot": False, "opens": "human"}, ["any", "human"]),
        ({"robot": "true", "opens": "human"}, ["any", "human"]),
        ({"robot": 1}, ["any"]),
        ({"robot": None}, ["any"]),
    ],
)
def test_opens(robots: str, properties: dict[str, Any], classes: list[str]) -> None:
    """M2: an open that is flagged as a robot's is a machine's, whatever the setting for clicks."""
    settings = {"workspace": "default", "robots": robots}
    story = did("10:00", "i", "open_email", campaign="o", properties=properties)
    matched = [
        opens
        for opens in ("any", "human", "machine")
        if play_short(settings, ORIGINAL, listener("f", "open_email", {"opens": opens}), begin("o", "f"), story)
    ]
    assert matched == classes


@pytest.mark.parametrize(("robots", "counts"), [("ignore", False), ("count", True)])
@pytest.mark.parametrize(
    ("type", "more"),
    [
        ("click_email", {}),
        ("click_email_alias", {"alias": "cta"}),
        ("click_sms_link", {}),
        ("click_in_app_message", {}),
        ("click_in_app_message_button", {"button": "1"}),
        ("click_push_button", {"button": "1"}),
        ("click_push_story_page", {"page": "1"}),
        ("click_content_card", {}),
    ],
)
def test_clicks(type: str, more: dict[str, Any], robots: str, counts: bool) -> None:
    """M2: a robot's click neither triggers nor excepts, unless the workspace counts robots."""
    settings = {"workspace": "default", "robots": robots}
    refined = {name: value for name, value in more.items() if type != "click_email"}
    click = {"interaction": type, "campaign": "o", **refined}
    waits = listener("f", "receive_push", delay={"after": "1 hour"}, exceptions=[click])
    robot = did("10:10", "i", type, campaign="o", properties={**more, "robot": True})
    begun = did("10:00", "p", "receive_push", campaign="o")
    triggered = play_short(settings, ORIGINAL, listener("f", type, refined), begin("o", "f"), robot)
    excepted = play_short(settings, ORIGINAL, waits, begin("o", "f"), begun, robot)
    assert triggered == (["10:10 f u i sent push"] if counts else [])
    assert excepted == (["10:10 f u p excepted i"] if counts else ["11:00 f u p sent push"])
