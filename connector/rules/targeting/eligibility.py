"""Whether a user who received a campaign may receive it again (T1)."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from connector.rules.model.schedules import EligibleAfter
from connector.rules.model.times import is_before


def is_eligible_again(
    rule: Literal["never", "always"] | EligibleAfter, received_at: datetime | None, at: datetime
) -> bool:
    """Return whether a user may receive again at `at` (UTC), which may be an interaction's time (M8).

    Args:
        received_at: the user's last receipt, UTC; None: never received.
    """
    if received_at is None or rule == "always":
        return True
    eligible_at = eligible_from(rule, received_at)
    return eligible_at is not None and not is_before(at, eligible_at)


def eligible_from(rule: Literal["never", "always"] | EligibleAfter, received_at: datetime) -> datetime | None:
    """Return the instant (UTC) from which a user who received may receive again; None: never."""
    if isinstance(rule, EligibleAfter):
        return received_at + rule.after
    return None if rule == "never" else received_at
