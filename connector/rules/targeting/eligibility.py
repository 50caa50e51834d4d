"""May someone who received a campaign receive it again? (T1)"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from connector.rules.model.schedules import EligibleAfter


def is_eligible_again(
    rule: Literal["never", "always"] | EligibleAfter, received_at: datetime | None, at: datetime
) -> bool:
    """Whether the rule lets a user receive at `at`, who received last at `received_at` (None: never received)."""
    if received_at is None or rule == "always":
        return True
    again = eligible_from(rule, received_at)
    return again is not None and at >= again


def eligible_from(rule: Literal["never", "always"] | EligibleAfter, received_at: datetime) -> datetime | None:
    """The instant from which a receiver may receive again; None: never."""
    if isinstance(rule, EligibleAfter):
        return received_at + rule.after
    return None if rule == "never" else received_at
