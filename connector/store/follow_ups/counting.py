"""Count follow-ups that begin and end, and triggers that are refused, once their transaction is committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from connector.metrics import CAMPAIGNS, FOLLOW_UPS_BEGUN, FOLLOW_UPS_ENDED, TRIGGERS_REFUSED
from connector.rules.model.follow_up import FollowUp
from connector.rules.model.reasons import Reason, State
from connector.store.engine.transaction import Transaction

End = tuple[str, State, Reason | None]
"""How a follow-up ended: its campaign, state and reason."""


def count_begun(tx: Transaction, campaigns: Iterable[str]) -> None:
    """Count new follow-ups, each by its campaign."""
    counted = Counter(campaigns)

    def count() -> None:
        for campaign, number in counted.items():
            FOLLOW_UPS_BEGUN.labels(CAMPAIGNS.show(campaign, number)).inc(number)

    tx.after_commit.append(count)


def count_ended(tx: Transaction, ended: Iterable[FollowUp]) -> None:
    """Count those of these follow-ups, which were open before, that have ended; a corrected end is not another one."""
    count_ends(tx, ((one.campaign, one.state, one.reason) for one in ended if not one.is_open))


def count_ends(tx: Transaction, ends: Iterable[End]) -> None:
    """Count follow-ups that have ended."""
    counted = Counter(ends)

    def count() -> None:
        for (campaign, state, reason), number in counted.items():
            shown = CAMPAIGNS.show(campaign, number)
            FOLLOW_UPS_ENDED.labels(shown, state.value, "none" if reason is None else reason.value).inc(number)

    if counted:
        tx.after_commit.append(count)


def count_refused(tx: Transaction, reasons: Iterable[Reason]) -> None:
    """Count triggers that began no follow-up, and late exceptions."""
    counted = Counter(reasons)

    def count() -> None:
        for reason, number in counted.items():
            TRIGGERS_REFUSED.labels(reason.value).inc(number)

    tx.after_commit.append(count)
