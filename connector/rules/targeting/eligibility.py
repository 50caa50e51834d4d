"""Whether a user who received a campaign may receive it again (T1)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from connector.rules.model.schedules import EligibleAfter


def is_eligible_again(
    rule: Literal["never", "always"] | EligibleAfter, received_at: datetime | None, at: datetime
) -> bool:
    """Return whether a user whose last receipt was at `received_at` (None: never received) may receive at `at`, UTC."""
    if received_at is None or rule == "always":
        return True
    eligible_at = eligible_from(rule, received_at)
    return eligible_at is not None and at >= eligible_at


def eligible_from(rule: Literal["never", "always"] | EligibleAfter, received_at: datetime) -> datetime | None:
    """Return the instant (UTC) from which a user who received may receive again; None: never."""
    if isinstance(rule, EligibleAfter):
        return received_at + rule.after
    return None if rule == "never" else received_at
