"""May someone who received a campaign receive it again? (T1)"""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import TypeAdapter

from connector.rules.campaigns import ActionBased
from connector.rules.eligibility import eligible_again

RULE: TypeAdapter[object] = TypeAdapter(ActionBased.model_fields["eligible_again"].annotation)


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
    """T1: in seconds from the receipt; whoever did not receive stays eligible (case 13)."""
    received = received_at and datetime.fromisoformat(received_at)
    found = eligible_again(RULE.validate_python(rule), received, datetime.fromisoformat(at))  # type: ignore[arg-type]
    assert found is expected
