"""The example user of the composer: due, held and sent by the functions that decide in production."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connector.rules.model.campaigns import ActionBased, Workspace
from connector.rules.model.reasons import Reason
from connector.rules.publishing.example_times import example_times
from starter.console.compose.timeline import describe_example, describe_span, draw_example

TUESDAY = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)  # 10:00 in Berlin


def times(quiet: bool = True, **delivery: Any) -> Any:
    """Return the example of a follow-on for somebody in Berlin."""
    rules = ActionBased.model_validate({"type": "action_based", "trigger": [{"event": "buy"}], **delivery})
    settings = Workspace.model_validate({"workspace": "default", "zone": "Europe/Berlin"})
    return example_times(rules, settings, TUESDAY, user_zone="Europe/Berlin", has_quiet_hours=quiet)


@pytest.mark.parametrize(
    ("delivery", "due", "sent"),
    [
        ({}, "03T10:00", "03T10:00"),
        ({"delay": {"after": "1 day"}}, "04T10:00", "04T10:00"),
        ({"delay": {"next": "tuesday", "at": "15:15"}}, "10T15:15", "10T15:15"),
        ({"delay": {"in_days": 1, "at": "09:00"}}, "04T09:00", "04T09:00"),
        ({"delay": {"after": "13 hours"}, "quiet_hours": {"from": "22:00", "to": "06:00"}}, "03T23:00", "04T06:00"),
        (
            {
                "delay": {"after": "13 hours"},
                "quiet_hours": {"from": "22:00", "to": "06:00"},
                "time_of_day": {"from": "09:00", "to": "17:00", "outside": "next"},
            },
            "03T23:00",
            "04T09:00",
        ),
    ],
)
def test_the_example_is_sent_when_production_sends(delivery: dict[str, Any], due: str, sent: str) -> None:
    """D1, D2, quiet hours and the hours of the day."""
    found = times(**delivery)
    shown = [at.astimezone(UTC) + timedelta(hours=1) for at in (found.due_at, found.sent_at)]
    assert [f"{at:%dT%H:%M}" for at in shown] == [due, sent]


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        ({"time_of_day": {"from": "11:00", "to": "17:00"}}, Reason.OUTSIDE_TIME_OF_DAY),
        ({"quiet_hours": {"from": "09:00", "to": "12:00", "then": "drop"}}, Reason.QUIET_HOURS),
        ({"delay": {"after": "1 day"}, "end": "2026-03-03T12:00:00Z"}, Reason.OUTSIDE_CAMPAIGN_DURATION),
    ],
)
def test_the_example_says_why_nothing_is_sent(delivery: dict[str, Any], reason: Reason) -> None:
    """The drawing has the reason in the words of `explain`."""
    found = times(**delivery)
    assert (found.sent_at, found.reason) == (None, reason)
    assert "is not sent" in describe_example(found, "Europe/Berlin", "does buy")


def test_hours_and_quiet_hours_that_never_let_it_out_end() -> None:
    """Two windows that exclude each other do not hold the page."""
    found = times(
        quiet_hours={"from": "06:00", "to": "22:00"}, time_of_day={"from": "09:00", "to": "17:00", "outside": "next"}
    )
    assert found.sent_at is None


def test_the_drawing_escapes_what_it_is_given() -> None:
    """An event's name is the author's: it is text in the picture."""
    drawn = draw_example(
        times(delay={"after": "1 day"}), "Europe/Berlin", "does <script>alert(1)</script>", has_exceptions=True
    )
    assert "<script" not in drawn
    assert "an exception cancels it" in drawn
    assert "1 day" in drawn


@pytest.mark.parametrize(
    ("span", "words"),
    [(timedelta(0), "at once"), (timedelta(days=1), "1 day"), (timedelta(days=8, hours=3), "1 week 1 day")],
)
def test_spans_are_said_by_their_largest_units(span: timedelta, words: str) -> None:
    """Two units are enough to choose a delay by."""
    assert describe_span(span) == words
