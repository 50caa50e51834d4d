"""Deduplication of engagements that two sources report: a table of pairs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.model.interactions import Event, Interaction
from connector.rules.targeting.deduplication import Engagement, engagement_of, is_duplicate

AT = datetime(2026, 3, 2, 12, tzinfo=UTC)
OPEN, CLICK, ALIAS, SMS, MAIL = "open_email", "click_email", "click_email_alias", "click_sms_link", "receive_email"
OURS: dict[str, Any] = {"delivery": "d"}
THEIRS: dict[str, Any] = {"delivery": "d", "source": "ses"}
NEWS: dict[str, Any] = {"message": "m", "source": "ses"}
URL = {"url": "https://shop.test/a"}


def engagement(kind: str, properties: dict[str, Any], seconds: float = 0, campaign: str = "c") -> Engagement | None:
    t = AT + timedelta(seconds=seconds)
    item = Interaction(user="u", type=kind, campaign=campaign, occurred_at=t, properties=properties)
    return engagement_of(item, t)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ((OPEN, OURS), (OPEN, THEIRS), True),
        ((OPEN, OURS), (OPEN, THEIRS, 120), True),
        ((OPEN, OURS), (OPEN, THEIRS, 121), False),
        ((OPEN, OURS), (OPEN, OURS, 1), False),
        ((OPEN, THEIRS), (OPEN, THEIRS, 1), False),
        ((OPEN, THEIRS), (OPEN, THEIRS | {"source": "sendgrid"}, 1), True),
        ((OPEN, OURS), (OPEN, THEIRS | {"delivery": "e"}), False),
        ((OPEN, OURS), (OPEN, {"message": "d", "source": "ses"}), False),
        ((OPEN, OURS), (CLICK, THEIRS), False),
        ((OPEN, OURS), (OPEN, THEIRS, 0, "other"), False),
        ((CLICK, OURS | URL), (CLICK, THEIRS | URL, 5), True),
        ((ALIAS, OURS | URL | {"alias": "x"}), (CLICK, THEIRS | URL, 5), True),
        ((CLICK, OURS | URL), (CLICK, THEIRS | {"url": "https://shop.test/b"}), False),
        ((CLICK, OURS | URL | {"link": 1}), (CLICK, THEIRS | URL | {"link": 2}), False),
        ((CLICK, OURS | URL | {"link": 1}), (CLICK, THEIRS | URL | {"link": 1}), True),
        ((CLICK, OURS | URL | {"link": 1}), (CLICK, THEIRS | URL), True),
        ((SMS, OURS | URL), (CLICK, THEIRS | URL), False),
        ((SMS, OURS | URL), (SMS, THEIRS | URL), True),
        ((MAIL, THEIRS), (MAIL, THEIRS, 7 * 86400), True),
        ((MAIL, THEIRS), (MAIL, THEIRS, 7 * 86400 + 1), False),
        ((MAIL, NEWS), (MAIL, NEWS | {"source": "sendgrid"}, 3600), True),
        ((MAIL, NEWS), (MAIL, NEWS | {"message": "n"}), False),
    ],
)
def test_same_engagement(one: Any, other: Any, same: bool) -> None:
    """By message, kind, link and time, in either order; one source's two reports are two, except for receipts."""
    first, second = engagement(*one), engagement(*other)
    assert first is not None
    assert second is not None
    assert is_duplicate(first, [second]) == is_duplicate(second, [first]) == same


@pytest.mark.parametrize(
    ("kind", "properties"),
    [
        (OPEN, {}),
        (OPEN, {"delivery": 7}),
        (OPEN, {"message": "newsletter"}),
        (MAIL, {"message": "newsletter"}),
        (MAIL, {"delivery": "express"}),
        (MAIL, {"message": "newsletter", "source": ""}),
        (MAIL, {"message": "newsletter", "source": 7}),
        ("open_push", OURS),
        ("receive_push", OURS),
        ("perform_conversion_event", OURS),
    ],
)
def test_items_that_are_not_compared(kind: str, properties: dict[str, Any]) -> None:
    """Items without a message or a source, and of other types, take no part and cause no query."""
    assert engagement(kind, properties) is None
    event = Event(user="u", type="event", name="x", occurred_at=AT, properties=OURS)
    assert engagement_of(event, AT) is None
