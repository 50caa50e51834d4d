"""W6: the `waits` of an open follow-up while it waits, while it is due, and while its provider is away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.rules.explaining.waiting import describe_wait
from connector.rules.sending.deliveries import DeliveryRecord, DeliveryState
from connector.rules.sending.retries import describe_next_attempt, next_attempt_at
from tests.support.builders import delivery_record

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def tried(channel: str, fault: str, detail: str | None) -> DeliveryRecord:
    return delivery_record(channel, "f", channel, state=DeliveryState.OPEN, fault=fault, detail=detail)


FIFTH = describe_next_attempt(4, NOW + timedelta(seconds=6))


@pytest.mark.parametrize(
    ("state", "due_for", "messages", "expected"),
    [
        ("waiting", timedelta(hours=-1), [], "waits until 2026-03-02T13:00:00Z"),
        ("held", timedelta(hours=-1), [], "is held until 2026-03-02T13:00:00Z"),
        (
            "held",
            timedelta(hours=-1),
            [tried("email", "http_503", FIFTH)],
            "is held until 2026-03-02T13:00:00Z; email: attempt 5 at 2026-03-02T12:00:06Z, last: http_503",
        ),
        ("waiting", timedelta(seconds=9), [], "due for 9 s; no attempt yet"),
        (
            "waiting",
            timedelta(seconds=9),
            [tried("email", "http_503", FIFTH)],
            "due for 9 s; attempt 5 at 2026-03-02T12:00:06Z; last: http_503",
        ),
        ("waiting", timedelta(hours=5), [tried("push", "no_provider", None)], "due for 5 h; last: no_provider"),
        (
            "waiting",
            timedelta(minutes=3),
            [tried("email", "smtp_connect", FIFTH), tried("push", "fcm_http_503", None)],
            "due for 3 min; email: attempt 5 at 2026-03-02T12:00:06Z, last: smtp_connect; push: last: fcm_http_503",
        ),
        ("waiting", timedelta(days=1), [delivery_record("e", "f", "email")], "due for 1 d; no attempt yet"),
        ("held", timedelta(0), [], "due for 0 s; no attempt yet"),
        ("sending", timedelta(seconds=9), [], "is being sent"),
    ],
)
def test_wording(state: str, due_for: timedelta, messages: list[DeliveryRecord], expected: str) -> None:
    """A follow-up never waits "until" a time that has passed."""
    assert describe_wait(state, NOW - due_for, messages, NOW) == expected


@pytest.mark.parametrize(("state", "hours"), [("waiting", -1), ("waiting", 3), ("held", 3)])
def test_paused_launch(state: str, hours: int) -> None:
    """P9: a user of a stopped scheduled original waits for the resume, not for a time."""
    words = describe_wait(state, NOW - timedelta(hours=hours), [], NOW, is_paused=True)
    assert words == "is paused: the campaign is stopped"


@pytest.mark.parametrize(
    ("attempt", "retry_after", "seconds"),
    [
        (1, None, 1),
        (2, None, 2),
        (4, None, 8),
        (9, None, 256),
        (10, None, 300),
        (5000, None, 300),
        (1, 7, 7),
        (3, 3600, 3600),
    ],
)
def test_next_attempt(attempt: int, retry_after: int | None, seconds: int) -> None:
    """Temporal doubles the pause from one second to five minutes, unless the provider requests another."""
    pause = None if retry_after is None else timedelta(seconds=retry_after)
    assert next_attempt_at(attempt, NOW, pause) == NOW + timedelta(seconds=seconds)
