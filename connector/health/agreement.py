"""The check that the store and Temporal agree on which follow-ups wait: `connector doctor` makes it, no probe does."""

from __future__ import annotations

import asyncio

from temporalio.service import RPCError

from connector.health.checks import Check, CheckName, CheckStatus, Impact
from connector.health.readiness import Readiness
from connector.store.engine.database import Database, StoreUnavailable
from connector.temporal.client import TemporalLink, TemporalUnavailable
from connector.temporal.comparison import Differences, compare

_NEEDED = (CheckName.DATABASE, CheckName.TABLES, CheckName.TEMPORAL, CheckName.NAMESPACE)
_SHOWN = 3


async def check_agreement(
    database: Database, workspace: str, link: TemporalLink, others: Readiness, timeout_seconds: float
) -> Check:
    """Compare the store with Temporal within the timeout, if the other checks say that both can be read."""
    for needed in _NEEDED:
        if not others.is_ok(needed):
            return _unknown(f"it cannot be checked because of `{needed}`")
    try:
        async with asyncio.timeout(timeout_seconds):
            return decide_agreement(await compare(database, workspace, await link.client()))
    except (TimeoutError, StoreUnavailable, TemporalUnavailable, RPCError):
        return _unknown(f"the comparison did not end within {timeout_seconds:g} seconds")


def decide_agreement(found: Differences) -> Check:
    """Return whether the two agree, and if not, how they differ and how to correct that."""
    if found.count == 0:
        return Check(CheckName.AGREEMENT)
    kinds = {
        "wait without a workflow": found.lost,
        "wait although their workflows have ended": found.closed,
        "have ended although their workflows run": found.ended,
        "are not in the database although their workflows run": found.unknown,
    }
    counts = ", ".join(f"{len(ids)} {kind}" for kind, ids in kinds.items() if ids)
    named = "; ".join(f"{kind}: {', '.join(ids[:_SHOWN])}" for kind, ids in kinds.items() if ids)
    some = "" if found.is_complete else " of those that were compared"
    return Check(
        CheckName.AGREEMENT,
        CheckStatus.FAILED,
        f"the database and Temporal disagree on {found.count} follow-ups{some}, because one of them was restored from "
        f"a backup, or workflows were closed or deleted by hand: {counts}: restart one worker, which corrects them "
        "within a minute or two; what runs without waiting ends by itself (docs/production.md)",
        named,
        Impact.DELAY,
    )


def _unknown(problem: str) -> Check:
    return Check(CheckName.AGREEMENT, CheckStatus.UNKNOWN, problem)
