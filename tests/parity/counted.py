"""The counters of follow-ups, compared with the rows of a workspace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client import Counter
from sqlalchemy import case, func, select

from connector.metrics import FOLLOW_UPS_BEGUN, FOLLOW_UPS_ENDED, MAX_CAMPAIGNS, TopValues
from connector.rules.model.reasons import OPEN_STATES
from connector.store.engine.database import Database
from connector.store.follow_ups import counting
from connector.store.follow_ups.tallies import load_counts
from connector.store.tables import decisions, follow_ups


@contextmanager
def keeping_series() -> Iterator[None]:
    """Let no campaign displace the series of another one, so that sums before and after can be compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(counting, "CAMPAIGNS", TopValues("campaign", MAX_CAMPAIGNS, []))
        yield


def read_counters() -> tuple[int, int]:
    """Return how many follow-ups this process has counted as begun and as ended."""
    return _sum(FOLLOW_UPS_BEGUN), _sum(FOLLOW_UPS_ENDED)


async def count_rows(database: Database, workspace: str) -> tuple[int, int]:
    """Return how many follow-ups a workspace has, and how many of them have ended."""
    is_ended = case((follow_ups.c.state.in_(OPEN_STATES), 0), else_=1)
    statement = select(func.count(), func.coalesce(func.sum(is_ended), 0)).where(follow_ups.c.workspace == workspace)
    async with database.read(workspace) as tx:
        begun, ended = (await tx.execute(statement)).one()
    return begun, ended


async def find_wrong_counts(database: Database, workspace: str) -> list[str]:
    """Return what the counts that triggers keep differ in from counting every row; nothing, if they are exact."""
    counted: dict[tuple[str, str, str | None], int] = {}
    async with database.read(workspace) as tx:
        for table in (follow_ups, decisions):
            group = (table.c.campaign, table.c.state, table.c.reason)
            rows = await tx.execute(select(*group, func.count()).where(tx.in_workspace(table)).group_by(*group))
            counted |= {(campaign, state, reason): number for campaign, state, reason, number in rows}
        kept = {(one.campaign, one.state, one.reason): one.count for one in await load_counts(tx)}
    return [] if kept == counted else [f"the counts are {kept}, the rows {counted}"]


def _sum(counter: Counter) -> int:
    samples = (sample for family in counter.collect() for sample in family.samples)
    return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))
