"""Whether a user who received a campaign may receive it again (T1)."""

from __future__ import annotations

from datetime import datetime

import pytest

from connector.rules.model.campaigns import ActionBased
from connector.rules.targeting.eligibility import is_eligible_again


def _follow_on(rule: object) -> ActionBased:
    delivery = {"type": "action_based", "trigger": [{"event": "e"}], "eligible_again": rule}
    return ActionBased.model_validate(delivery)


@pytest.mark.parametrize(
    ("rule", "received_at", "at", "expected"),
    [
        ("never", None, "2026-03-04T12:00:00Z", True),  # case 13: excepted on Monday, triggered on Wednesday
        ("never", "2026-03-02T12:00:00Z", "2026-03-10T12:00:00Z", False),  # case 13
        ("always", "2026-03-02T12:00:00Z", "2026-03-02T12:00:00Z", True),
        ({"after": "1 day"}, None, "2026-03-03T08:00:00Z", True),
        ({"after": "1 day"}, "2026-03-02T08:30:00Z", "2026-03-03T08:00:00Z", False),  # case 13
        ({"after": "1 day"}, "2026-03-02T08:30:00Z", "2026-03-03T08:29:59.999999Z", False),
        ({"after": "1 day"}, "2026-03-02T08:30:00Z", "2026-03-03T08:30:00Z", True),  # case 13
        ({"after": "1 day"}, "2026-03-08T06:00:00Z", "2026-03-09T05:30:00Z", False),  # in seconds, not in dates
        ({"after": "1 day"}, "2026-03-02T08:30:00Z", "2026-03-01T08:30:00Z", False),  # a late trigger from before
    ],
)
def test_eligible_again_counts_from_receipt(rule: object, received_at: str | None, at: str, expected: bool) -> None:
    """T1: in seconds from the receipt; a user who did not receive stays eligible (case 13)."""
    received = datetime.fromisoformat(received_at) if received_at else None
    is_eligible = is_eligible_again(_follow_on(rule).eligible_again, received, datetime.fromisoformat(at))
    assert is_eligible is expected
