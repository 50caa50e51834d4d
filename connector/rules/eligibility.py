"""May someone who received a campaign receive it again? (T1)"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from connector.rules.campaigns import EligibleAfter


def eligible_again(
    rule: Literal["never", "always"] | EligibleAfter, received_at: datetime | None, at: datetime
) -> bool:
    """Whether the rule lets a user receive at `at`, who received last at `received_at` (None: never received)."""
    if received_at is None or rule == "always":
        return True
    return isinstance(rule, EligibleAfter) and at >= received_at + rule.after
