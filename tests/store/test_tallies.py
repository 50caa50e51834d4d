"""The counts that triggers keep are those that counting every row gives, whatever was written, on both databases."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, insert, select, update

from connector.store.engine.database import Database
from connector.store.follow_ups.tallies import fold_counts, load_counts
from connector.store.tables import decisions, follow_up_counts, follow_ups
from tests.support.old_rows import decided, ended

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
CAMPAIGNS = st.sampled_from(["f", "g"])
STATES = st.sampled_from(
    [("waiting", None), ("sending", None), ("sent", None), ("excepted", "exception"), ("dropped", "stopped")]
)
STEPS = st.one_of(
    st.tuples(st.just("insert"), CAMPAIGNS, STATES, st.integers(1, 3)),
    st.tuples(st.just("change"), CAMPAIGNS, STATES, STATES),
    st.tuples(st.just("mark"), CAMPAIGNS),
    st.tuples(st.just("delete"), CAMPAIGNS, STATES),
    st.tuples(st.just("refuse"), CAMPAIGNS, st.sampled_from(["not_live", "stale"]), st.integers(1, 3)),
    st.tuples(st.just("forget"), CAMPAIGNS),
    st.tuples(st.just("fold")),
    st.tuples(st.just("fail")),
)


async def _count_rows(database: Database) -> dict[tuple[str, str, str | None], int]:
    found: Counter[tuple[str, str, str | None]] = Counter()
    async with database.read(W) as tx:
        for table in (follow_ups, decisions):
            group = (table.c.campaign, table.c.state, table.c.reason)
            rows = await tx.execute(select(*group, func.count()).where(tx.in_workspace(table)).group_by(*group))
            found.update({(campaign, state, reason): number for campaign, state, reason, number in rows})
    return dict(found)


async def _load(database: Database) -> dict[tuple[str, str, str | None], int]:
    async with database.read(W) as tx:
        return {(one.campaign, one.state, one.reason): one.count for one in await load_counts(tx)}


class _Undone(Exception):
    """A transaction ends with an error."""


async def _take(database: Database, step: tuple[Any, ...]) -> None:
    """Write as ingest, sends, operators and the cleanup do: several rows in a statement, or none."""
    what, *about = step
    async with database.write(W) as tx:
        if what in ("insert", "fail"):
            campaign, (state, reason), number = about or ("f", ("sent", None), 2)
            shared = {"workspace": W, "campaign": campaign, "state": state, "reason": reason}
            rows = [ended(NOW, 1) | shared for _ in range(number)]
            # One user has one wait of each key.
            await tx.execute(insert(follow_ups).values([row | {"key": row["id"]} for row in rows]))
        elif what == "change":
            campaign, (old, _), (new, reason) = about
            some = update(follow_ups).where(follow_ups.c.campaign == campaign, follow_ups.c.state == old)
            await tx.execute(some.values(state=new, reason=reason))
        elif what == "mark":
            await tx.execute(update(follow_ups).where(follow_ups.c.campaign == about[0]).values(started_at=NOW))
        elif what == "delete":
            campaign, (state, _) = about
            await tx.execute(delete(follow_ups).where(follow_ups.c.campaign == campaign, follow_ups.c.state == state))
        elif what == "refuse":
            campaign, reason, number = about
            rows = [decided(NOW, 1, workspace=W, campaign=campaign, reason=reason) for _ in range(number)]
            await tx.execute(insert(decisions).values(rows))
        elif what == "forget":
            await tx.execute(delete(decisions).where(decisions.c.campaign == about[0]))
        elif what == "fold":
            await fold_counts(tx)
        if what == "fail":
            raise _Undone


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories=st.lists(st.lists(STEPS, max_size=4), min_size=1, max_size=12))
def test_counts_are_those_of_the_rows(histories: list[list[tuple[Any, ...]]], database_url: str) -> None:
    """After every transaction of a random history the counts are those of the rows, folded or not."""

    async def play() -> None:
        from tests.support.databases import open_database

        async with open_database(database_url) as database:
            for history in histories:
                for step in history:
                    try:
                        await _take(database, step)
                    except _Undone:
                        continue
                assert await _load(database) == await _count_rows(database)

    with asyncio.Runner() as runner:
        runner.run(play())


async def test_a_fold_leaves_one_row_each(postgresql_database: Database) -> None:
    """Differences of many statements become one row, while others are being added."""
    for number in range(4):
        await _take(postgresql_database, ("insert", "f", ("waiting", None), number + 1))
        await _take(postgresql_database, ("change", "f", ("waiting", None), ("sent", None)))
    async with postgresql_database.write(W) as tx:
        assert await fold_counts(tx) == 12
        await _take(postgresql_database, ("insert", "f", ("sent", None), 5))
    async with postgresql_database.write(W) as tx:
        assert await fold_counts(tx) == 1
        assert await fold_counts(tx) == 0
        slots = await tx.execute(select(follow_up_counts.c.state, follow_up_counts.c.slot, follow_up_counts.c.count))
        assert sorted(map(tuple, slots)) == [("sent", 0, 15), ("waiting", 0, 0)]
    assert await _load(postgresql_database) == {("f", "sent", None): 15}


@pytest.mark.parametrize("campaigns", [None, ["f"], []])
async def test_counts_of_chosen_campaigns(database: Database, campaigns: list[str] | None) -> None:
    """Only what was asked for is counted, in one statement, by the key of the table."""
    for campaign in ("f", "g"):
        await _take(database, ("insert", campaign, ("sent", None), 2))
    async with database.read(W) as tx:
        counted = await load_counts(tx, campaigns)
    assert {one.campaign for one in counted} == ({"f", "g"} if campaigns is None else set(campaigns))


async def test_a_day_that_is_dropped_is_subtracted(postgresql_database: Database) -> None:
    """PostgreSQL's cleanup drops whole days of refusals, which no trigger sees."""
    from connector.store.follow_ups.tallies import subtract_rows

    await _take(postgresql_database, ("refuse", "f", "stale", 3))
    async with postgresql_database.write(W) as tx:
        await subtract_rows(tx, decisions)
    assert await _load(postgresql_database) == {}
