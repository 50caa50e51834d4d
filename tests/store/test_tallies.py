"""The counts that triggers keep are those that counting every row gives, whatever was written, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, text, update

from connector.app import count_folding
from connector.store.catalogue.cache import CatalogueCache
from connector.store.cleanup.cleaning import Cleaning
from connector.store.cleanup.horizons import Kept
from connector.store.engine.database import Database
from connector.store.engine.migrate import migrate
from connector.store.follow_ups.tallies import fold_counts, load_counts, recount_refusals, subtract_rows
from connector.store.tables import decisions, follow_up_counts, follow_ups
from tests.parity.counted import find_wrong_counts
from tests.support.databases import open_database, open_database_at
from tests.support.old_rows import decided, ended
from tests.support.polling import until

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
        async with open_database(database_url) as database:
            for history in histories:
                for step in history:
                    try:
                        await _take(database, step)
                    except _Undone:
                        continue
                assert await find_wrong_counts(database, W) == []

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
    await _take(postgresql_database, ("refuse", "f", "stale", 3))
    async with postgresql_database.write(W) as tx:
        await subtract_rows(tx, decisions)
    assert await _load(postgresql_database) == {}


async def test_a_cleanup_puts_the_counts_right(postgresql_database: Database) -> None:
    """An earlier program, in an upgrade, drops days without subtracting them; the next run compares with the rows."""
    await _take(postgresql_database, ("refuse", "f", "stale", 3))
    await _take(postgresql_database, ("refuse", "g", "stale", 2))
    async with postgresql_database.write(W) as tx:
        await tx.execute(insert(decisions).values(decided(NOW, 1, workspace="other", reason="stale")))
        await tx.execute(text("TRUNCATE decisions"))  # fires no trigger, as a DROP
    await _take(postgresql_database, ("refuse", "f", "not_live", 1))
    await _take(postgresql_database, ("insert", "f", ("sent", None), 2))
    kept = Kept(retention=timedelta(days=36500), links=timedelta(days=1))
    await Cleaning(postgresql_database, CatalogueCache(W), W, kept).clean()
    assert await find_wrong_counts(postgresql_database, W) == []
    async with postgresql_database.write(W) as tx:
        await recount_refusals(tx)
    assert await find_wrong_counts(postgresql_database, W) == []
    async with postgresql_database.read("other") as tx:
        assert await load_counts(tx), "each workspace is counted by its own cleanup"


async def test_what_was_there_before_is_counted(empty_database_url: str) -> None:
    """The migration counts the rows of an earlier release, and from then on the triggers do."""
    async with open_database_at("0020", empty_database_url) as database:
        await _take(database, ("insert", "f", ("sent", None), 3))
        await _take(database, ("refuse", "f", "stale", 2))
        await migrate(database)
        assert await _load(database) == {("f", "sent", None): 3, ("f", "refused", "stale"): 2}
        await _take(database, ("change", "f", ("sent", None), ("failed", "send_unknown")))
        assert await find_wrong_counts(database, W) == []


async def test_a_worker_folds_until_it_stops(postgresql_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the background, whatever is added meanwhile."""
    monkeypatch.setattr(count_folding, "FOLD_SECONDS", 0.01)
    await _take(postgresql_database, ("insert", "f", ("sent", None), 2))
    stopped = asyncio.Event()
    folding = asyncio.create_task(count_folding.fold_until(postgresql_database, W, stopped))

    async def is_folded() -> bool:
        async with postgresql_database.read(W) as tx:
            slots = (await tx.execute(select(follow_up_counts.c.slot))).scalars().all()
        return slots == [0]

    await until(is_folded, "a count in one row")
    stopped.set()
    await folding
    assert await _load(postgresql_database) == {("f", "sent", None): 2}


async def test_writers_need_no_rights_on_the_counts(postgresql_database: Database) -> None:
    """An earlier program, whose user has rights on its own tables only, goes on writing during an upgrade."""
    role = f"writer_{uuid4().hex}"
    async with postgresql_database.write(W) as tx:
        await tx.execute(text(f"CREATE ROLE {role}"))
        await tx.execute(text(f"GRANT SELECT, INSERT, UPDATE, DELETE ON follow_ups, decisions TO {role}"))
        await tx.execute(text(f"GRANT USAGE ON SEQUENCE decisions_seq_seq TO {role}"))
        await tx.execute(text(f"SET LOCAL ROLE {role}"))
        await tx.execute(insert(follow_ups).values(ended(NOW, 1) | {"workspace": W}))
        await tx.execute(update(follow_ups).values(state="sent", reason=None))
        await tx.execute(insert(decisions).values(decided(NOW, 1, workspace=W, reason="stale")))
        await tx.execute(delete(decisions))
        await tx.execute(text("RESET ROLE"))
        await tx.execute(text(f"DROP OWNED BY {role}"))
        await tx.execute(text(f"DROP ROLE {role}"))
    assert await _load(postgresql_database) == {("f", "sent", None): 1}
