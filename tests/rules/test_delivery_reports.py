"""What a delivery report changes of its message: a table (M4, guarantee 4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connector.rules.provider_events.delivery_reports import (
    DeliveryReport,
    ReportChanges,
    decide_report,
)
from connector.rules.sending.deliveries import DeliveryState
from tests.support.builders import delivery_record

S = DeliveryState
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CLAIMED = NOW - timedelta(hours=1)
NOTHING = (None, None, False, None)


@pytest.mark.parametrize(
    ("channel", "state", "fault", "is_received", "arrived", "reported", "changes"),
    [
        ("email", S.UNKNOWN, "lost", False, True, None, (CLAIMED, CLAIMED, False, None)),
        ("email", S.CLAIMED, None, False, True, "ses_bounced", (CLAIMED, CLAIMED, False, "ses_bounced")),
        ("email", S.UNKNOWN, "lost", True, True, "lost", (CLAIMED, None, False, "lost")),
        ("sms", S.CLAIMED, None, False, None, None, (CLAIMED, None, False, None)),
        ("sms", S.CLAIMED, None, False, False, "twilio_30003", (CLAIMED, None, False, "twilio_30003")),
        ("sms", S.SENT, None, False, True, None, (None, NOW, False, None)),
        ("sms", S.SENT, "twilio_30003", False, True, None, (None, NOW, True, None)),
        ("sms", S.SENT, None, True, True, None, NOTHING),
        ("sms", S.SENT, None, True, False, "twilio_30003", NOTHING),
        ("sms", S.SENT, "twilio_30003", False, False, "twilio_30003", NOTHING),
        ("sms", S.SENT, None, False, False, "twilio_30003", (None, None, False, "twilio_30003")),
        ("sms", S.FAILED, "refused", False, False, "twilio_30003", NOTHING),
    ],
)
def test_a_report_changes(
    channel: str, state: DeliveryState, fault: str | None, is_received: bool, arrived: bool | None,
    reported: str | None, changes: tuple[datetime | None, datetime | None, bool, str | None],
) -> None:  # fmt: skip
    """Accepted, received, fault cleared, fault noted; a repeated report changes nothing."""
    message = delivery_record("d", "f", channel, state=state, fault=fault, claimed_at=CLAIMED)
    report = DeliveryReport("d", None, arrived, reported)
    decided = decide_report(message, report, follow_up_is_open=True, is_received=is_received, now=NOW)
    assert decided == ReportChanges(*changes)


@pytest.mark.parametrize(("is_open", "accepted_at"), [(True, NOW), (False, None)])
def test_a_message_that_was_never_claimed(is_open: bool, accepted_at: datetime | None) -> None:
    """It was sent after all, while its follow-up is open: the report's time is its dispatch."""
    message = delivery_record("d", "f", "email", state=S.OPEN)
    report = DeliveryReport("d", None, True)
    decided = decide_report(message, report, follow_up_is_open=is_open, is_received=False, now=NOW)
    assert (decided.accepted_at, decided.received_at) == (accepted_at, NOW)


@pytest.mark.parametrize(("message_id", "reported", "same"), [(None, "a", True), ("a", None, True), ("a", "b", False)])
def test_the_providers_id_decides_which_message_it_is(message_id: str | None, reported: str | None, same: bool) -> None:
    """A report with another provider id is about another message."""
    message = delivery_record("d", "f", "sms", claimed_at=CLAIMED, provider_id=message_id)
    assert DeliveryReport("d", reported).is_about(message) is same
