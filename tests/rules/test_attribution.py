"""What providers' events match: a table of what they name and what is known."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.rules.provider_events.attribution import (
    Attribution,
    AttributionLookup,
    ErasedUser,
    Unmatched,
    attribute,
)
from connector.rules.provider_events.events import EventKind, ProviderEvent, from_tag, to_tag
from tests.support.builders import delivery_record

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
DELIVERY = delivery_record("d.email", "f", "email", claimed_at=AT, provider_id="<d.email@shop.test>", user="u-1")
GONE = delivery_record("g.email", "f", "email", claimed_at=AT)
TEXT = delivery_record("t.sms", "f", "sms", claimed_at=AT, provider_id="SM1", user="u-1")
LOOKUP = AttributionLookup(
    deliveries={"d.email": DELIVERY, "g.email": GONE},
    by_provider={"<d.email@shop.test>": DELIVERY, "SM1": TEXT},
    campaigns={"welcome"},
    erased={"gone"},
    holders={("email", "ada@shop.test"): ["u-7"], ("email", "two@shop.test"): ["u-8", "u-9"], ("sms", "+491"): ["u-7"]},
)
OURS = Attribution("f", "u-1", DELIVERY)


def event(**fields: Any) -> ProviderEvent:
    return ProviderEvent("ses", "e1", EventKind.OPENED, AT, **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"arguments": {"delivery": "d.email"}}, OURS),
        ({"arguments": {"delivery": "d_2eemail"}}, OURS),
        ({"sent_id": "d.email@elsewhere.test"}, OURS),
        ({"sent_id": "d%2Eemail@shop.test"}, OURS),
        ({"message_id": "d.email@shop.test"}, OURS),
        ({"message_id": "<d.email@shop.test>"}, OURS),
        ({"message_id": "SM1", "channel": "sms"}, Attribution("f", "u-1", TEXT)),
        ({"message_id": "SM1"}, Unmatched.NO_CAMPAIGN),
        ({"arguments": {"delivery": "g.email"}}, ErasedUser()),
        ({"arguments": {"delivery": "other.email"}}, Unmatched.UNKNOWN_DELIVERY),
        (
            {"arguments": {"delivery": "other.email", "campaign": "welcome", "user": "u-2"}},
            Attribution("welcome", "u-2"),
        ),
        ({"arguments": {"campaign": "welcome", "user": "u-2"}}, Attribution("welcome", "u-2")),
        ({"arguments": {"campaign": "welcome", "user": "gone"}}, ErasedUser()),
        ({"arguments": {"campaign": "welcome", "user": "x" * 256}}, Unmatched.UNKNOWN_USER),
        ({"arguments": {"campaign": "nothing", "user": "u-2"}}, Unmatched.UNKNOWN_CAMPAIGN),
        ({"arguments": {"campaign": "welcome"}, "recipient": "Ada@Shop.test"}, Attribution("welcome", "u-7")),
        (
            {"arguments": {"campaign": "welcome"}, "recipient": "+49 (1)", "channel": "sms"},
            Attribution("welcome", "u-7"),
        ),
        ({"arguments": {"campaign": "welcome"}, "recipient": "two@shop.test"}, Unmatched.AMBIGUOUS_USER),
        ({"arguments": {"campaign": "welcome"}, "recipient": "nobody@shop.test"}, Unmatched.UNKNOWN_USER),
        ({"arguments": {"campaign": "welcome"}}, Unmatched.UNKNOWN_USER),
        ({"arguments": {"user": "u-2"}}, Unmatched.NO_CAMPAIGN),
        ({"arguments": {"user": "u-2"}, "tags": ("spring", "welcome")}, Attribution("welcome", "u-2")),
        ({"arguments": {"user": "u-2"}, "tags": ("spring",)}, Unmatched.NO_CAMPAIGN),
        ({"recipient": "ada@shop.test"}, Unmatched.NO_CAMPAIGN),
    ],
)
def test_what_an_event_matches(fields: dict[str, Any], expected: Any) -> None:
    """By our delivery, else by campaign and user, else by campaign and the only holder of the address."""
    assert attribute(event(**fields), LOOKUP) == expected


def test_our_own_link_comes_first() -> None:
    """We signed it, so it counts more than the event's arguments."""
    assert attribute(event(arguments={"campaign": "welcome", "user": "u-2"}), LOOKUP, "d.email") == OURS


@pytest.mark.parametrize("id", ["1f2a.email", "a b/c", "_2e_", "ä_ö", ""])
def test_tags_are_decoded(id: str) -> None:
    """SES allows letters, digits, dashes and underscores only."""
    tag = to_tag(id)
    assert from_tag(tag) == id
    assert all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in tag)


def test_any_other_tag_is_unchanged() -> None:
    """Bytes that are not UTF-8 are left unchanged."""
    assert from_tag("a_ff_fe") == "a_ff_fe"
