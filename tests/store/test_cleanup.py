"""The cleanup: what is deleted, what is kept and why, in small transactions, one process at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert, select, text, update

from connector.store.cleanup import cleaning as cleaning_module
from connector.store.cleanup import past_days
from connector.store.cleanup.cleaning import Cleaning, CleanupDone, CleanupRuns
from connector.store.cleanup.runs import CleanupState, load_cleanup_state, take_lease
from connector.store.engine.database import Database, database_now
from connector.store.engine.partitions import DAILY_TABLES, ensure_partitions, list_partitions
from connector.store.erasure import erase_user
from connector.store.tables import cleanups, decisions, interactions, user_aliases, users
from tests.parity.counted import find_wrong_counts
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.installation import Installation
from tests.support.old_rows import KEPT, decided, logged, old_rows, table_counts

DAY = timedelta(days=1)
LOG, DECISIONS = DAILY_TABLES


@pytest.fixture
def postgresql_installation(postgresql_database: Database) -> Installation:
    """An installation whose log is partitioned."""
    return Installation(postgresql_database)


def cleaning_of(installation: Installation, workspace: str = "default") -> Cleaning:
    return Cleaning(installation.database, installation.cache, workspace, KEPT)


async def now_of(database: Database) -> datetime:
    async with database.read("default") as tx:
        return await database_now(tx)


async def log_items(database: Database, *rows: dict[str, object], workspace: str = "default") -> None:
    async with database.write(workspace) as tx:
        await tx.execute(insert(interactions), [{"workspace": workspace, **row} for row in rows])


async def ids_in(database: Database, table: str = "interactions") -> set[str]:
    async with database.read("default") as tx:
        return set((await tx.execute(text(f"SELECT id FROM {table}"))).scalars())


async def state_of(database: Database) -> CleanupState:
    async with database.read("default") as tx:
        state = await load_cleanup_state(tx)
    assert state is not None
    return state


async def old_day(database: Database, days: int) -> str:
    """Create the partitions of a day so long ago, and return the log's."""
    day = (await now_of(database)).date() - days * DAY
    await ensure_partitions(database, day, ahead_days=0)
    return LOG.name(day)


async def test_what_is_past_goes_and_what_is_needed_stays(installation: Installation) -> None:
    """Each table has a row that is past and one that something still needs: only the first goes."""
    rows = old_rows(await now_of(installation.database))
    async with installation.database.write("default") as tx:
        for one in rows:
            await tx.execute(insert(one.table), [{"workspace": "default", **one.values}])
    expected = Counter(one.table.name for one in rows if one.is_past)
    assert +(await cleaning_of(installation).preview()).rows == expected
    before = await table_counts(installation.database)
    assert +(await cleaning_of(installation).clean()).rows == expected
    after = await table_counts(installation.database)
    assert before - after == expected
    assert (await cleaning_of(installation).preview()).rows.total() == 0
    assert await find_wrong_counts(installation.database, "default") == []


async def test_an_audience_keeps_what_it_looks_back_to(installation: Installation) -> None:
    """A published audience may ask for a purchase ever made, or for one within 30 days of a late trigger."""
    asks = {"any": [{"did": {"event": "bought"}}, {"did": {"event": "seen", "within": "30 days"}}]}
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, audience=asks))
    now = await now_of(installation.database)
    old = [("bought", 900), ("seen", 119), ("seen", 122), ("visit", 92)]
    await log_items(installation.database, *(logged(now, d, id=f"{t}-{d}", topic=t) for t, d in old))
    await cleaning_of(installation).clean()
    assert await ids_in(installation.database) == {"bought-900", "seen-119"}


async def test_an_archived_campaign_looks_back_to_nothing(installation: Installation) -> None:
    """An archived campaign keeps no items, because it can never be published again."""
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, audience={"did": {"event": "bought"}}))
    await installation.order("archive", "f")
    await log_items(installation.database, logged(await now_of(installation.database), 900, topic="bought"))
    await cleaning_of(installation).clean()
    assert await ids_in(installation.database) == set()


async def test_a_long_table_goes_in_batches(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches are small, also if many rows have the same instant, as the items of one request do."""
    monkeypatch.setattr(cleaning_module, "_FIRST_BATCH", 20)
    monkeypatch.setattr(cleaning_module, "_LARGEST_BATCH", 20)
    now = await now_of(installation.database)
    await log_items(installation.database, *(logged(now, 200 - number // 30) for number in range(150)))
    await log_items(installation.database, logged(now, 1, id="new"))
    with installation.database.count_statements() as count:
        assert (await cleaning_of(installation).clean()).rows["interactions"] == 150
    deletions = [one for one in count.statements if one.startswith("DELETE FROM interactions")]
    assert len(deletions) >= 5
    assert await ids_in(installation.database) == {"new"}


async def test_a_run_that_was_killed_is_continued(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed run deleted stays deleted; once its lease has ended, the next run deletes the rest."""
    monkeypatch.setattr(cleaning_module, "_FIRST_BATCH", 20)
    monkeypatch.setattr(cleaning_module, "_LARGEST_BATCH", 20)
    now = await now_of(installation.database)
    await log_items(installation.database, *(logged(now, 200 - number) for number in range(100)))
    killed = Cleaning(installation.database, installation.cache, "default", KEPT)
    batches = 0

    async def batch(*given: object) -> object:
        nonlocal batches
        batches += 1
        if (await table_counts(installation.database))["interactions"] < 60:
            raise KeyboardInterrupt
        return await original(*given)  # type: ignore[arg-type]

    original = Cleaning._batch
    monkeypatch.setattr(killed, "_batch", batch)
    monkeypatch.setattr(killed, "_end", lambda _fault: asyncio.sleep(0))  # a killed process records nothing
    with pytest.raises(KeyboardInterrupt):
        await killed.clean()
    assert 0 < (await table_counts(installation.database))["interactions"] < 60
    with pytest.raises(CleanupRuns):
        await cleaning_of(installation).clean()
    async with installation.database.write("default") as tx:
        await tx.execute(update(cleanups).values(leased_until=await database_now(tx)))
    await cleaning_of(installation).clean()
    assert await ids_in(installation.database) == set()


async def test_one_of_two_workers_cleans_up(installation: Installation) -> None:
    """The other one has nothing to do, today also afterwards; a command may run again."""
    both = await asyncio.gather(
        *(cleaning_of(installation).clean(once_a_day=True) for _ in range(2)), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in both) in (["Cleaned", "CleanupDone"], ["Cleaned", "CleanupRuns"])
    with pytest.raises(CleanupDone):
        await cleaning_of(installation).clean(once_a_day=True)
    await cleaning_of(installation).clean()
    state = await state_of(installation.database)
    assert (state.is_running, state.fault) == (False, None)


async def test_another_workspaces_rows_stay(installation: Installation) -> None:
    """Each workspace has a retention and a worker of its own."""
    now = await now_of(installation.database)
    await log_items(installation.database, logged(now, 200, id="own"))
    await log_items(installation.database, logged(now, 200, id="other"), workspace="other")
    await cleaning_of(installation).clean()
    assert await ids_in(installation.database) == {"other"}


async def test_a_past_day_is_dropped(postgresql_installation: Installation) -> None:
    """Past days of the log and of the decisions are dropped; a day that ended within the margin stays."""
    database = postgresql_installation.database
    now, past, recent = await now_of(database), await old_day(database, 95), await old_day(database, 91)
    await log_items(database, logged(now, 95), logged(now, 89, id="new"))
    async with database.write("default") as tx:
        await tx.execute(insert(decisions), [{"workspace": "default", **decided(now, 95)}])
    assert past in (await cleaning_of(postgresql_installation).preview()).days
    cleaned = await cleaning_of(postgresql_installation).clean()
    assert set(cleaned.days) == {past, past.replace("interactions", "decisions")}
    async with database.read("default") as tx:
        names = {*(await list_partitions(tx, LOG)).values()}
        assert (await tx.execute(select(decisions))).all() == []
    assert past not in names
    assert recent in names
    assert await ids_in(database) == {"new"}
    assert await find_wrong_counts(postgresql_installation.database, "default") == []  # no trigger sees a drop


async def test_needed_rows_of_a_past_day_move(postgresql_installation: Installation) -> None:
    """A late item, and another workspace's row, are in the default partition when their day has been dropped."""
    database = postgresql_installation.database
    past, now = await old_day(database, 95), await now_of(database)
    await log_items(database, logged(now, 95), logged(now, 95, id="late", received_at=now - 10 * DAY))
    await log_items(database, logged(now, 95, id="other"), workspace="other")
    assert past in (await cleaning_of(postgresql_installation).clean()).days
    assert await ids_in(database, LOG.default) == {"late", "other"}


async def test_a_past_day_with_many_needed_rows_stays(
    postgresql_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day stays, because moving many rows would hold the lock for long; only past rows are deleted."""
    monkeypatch.setattr(past_days, "MAX_MOVED", 1)
    database = postgresql_installation.database
    past, now = await old_day(database, 95), await now_of(database)
    late = now - 10 * DAY
    await log_items(database, logged(now, 95), *(logged(now, 95, id=f"late-{n}", received_at=late) for n in range(2)))
    cleaned = await cleaning_of(postgresql_installation).clean()
    assert past not in cleaned.days
    assert cleaned.rows["interactions"] == 1
    assert await ids_in(database, past) == {"late-0", "late-1"}


async def test_a_day_whose_table_is_locked_is_left_to_the_next_run(
    postgresql_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No writer queues behind the cleanup: it gives up after a moment, and says so where readiness looks."""
    monkeypatch.setattr("connector.store.engine.partitions._PAUSES_SECONDS", (0.01,))
    database = postgresql_installation.database
    past, now = await old_day(database, 95), await now_of(database)
    await log_items(database, logged(now, 95))
    async with database.read("default") as tx:
        await tx.execute(select(interactions))
        cleaned = await cleaning_of(postgresql_installation).clean()
    assert past not in cleaned.days
    assert past in str((await state_of(database)).fault)
    assert (await state_of(database)).succeeded_at is None
    assert past in (await cleaning_of(postgresql_installation).clean()).days


async def test_a_user_who_may_not_drop_deletes_rows(
    postgresql_installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers need not own the tables: what is past goes one by one, and the fault names the way out."""

    async def no_privilege(*_: object) -> bool:
        return False

    monkeypatch.setattr(past_days, "may_alter", no_privilege)
    database = postgresql_installation.database
    past, now = await old_day(database, 95), await now_of(database)
    await log_items(database, logged(now, 95))
    cleaned = await cleaning_of(postgresql_installation).clean()
    assert (cleaned.days, cleaned.rows["interactions"]) == ({}, 1)
    assert await ids_in(database, past) == set()


async def test_an_erasure_meanwhile_leaves_nothing(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guarantee 8: the cleanup writes nothing back, whichever comes first."""
    monkeypatch.setattr(cleaning_module, "_FIRST_BATCH", 20)
    database = installation.database
    now = await now_of(database)
    rows = [logged(now, days) for days in range(1, 200)]
    await log_items(database, *rows)
    async with database.write("default") as tx:
        await tx.execute(
            insert(users),
            [
                {
                    "workspace": "default",
                    "user_key": "k",
                    "push_tokens": [],
                    "attributes": {},
                    "consent": {},
                    "created_at": now,
                }
            ],
        )
        await tx.execute(insert(user_aliases), [{"workspace": "default", "external_id": "u", "user_key": "k"}])

    async def erase() -> None:
        async with database.write("default", lock="exclusive") as tx:
            await erase_user(tx, "u", now)

    await asyncio.gather(cleaning_of(installation).clean(), erase())
    assert await ids_in(database) == set()


async def test_a_lease_belongs_to_one(installation: Installation) -> None:
    """Another process takes a lease over only when it has ended."""
    async with installation.database.write("default") as tx:
        assert await take_lease(tx, "a", unless_since=None) is None
        refused = await take_lease(tx, "b", unless_since=None)
        assert refused is not None
        assert refused.is_running
        assert refused.holder == "a"
