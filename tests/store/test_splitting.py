"""Ids that begin a new user: used as a user's own after they were joined as anonymous ones, or split off."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from connector.rules.model.audit import Actor, ActorKind
from connector.rules.model.joining import IdPair, Joiner, JoinRefusal
from connector.store.engine.database import Database
from connector.store.tables import interactions, user_aliases, users
from connector.store.users.joins import load_joins
from connector.store.users.linking import Linked, link_ids
from connector.store.users.splitting import split_id
from connector.store.users.users import find_user_keys, resolve_and_lock
from tests.support.builders import buy
from tests.support.installation import Installation
from tests.support.query_plans import until_waiting

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
INGEST = Joiner(Actor(ActorKind.KEY, "0123456789ab"), may_join_identified=False, route="batch")


async def use(database: Database, *ids: str, anonymous: tuple[str, ...] = ()) -> dict[str, str]:
    """Use these ids in a transaction of its own, and return the keys of their users."""
    async with database.write(W) as tx:
        return await resolve_and_lock(tx, ids, LATER, anonymous=anonymous)


async def link(database: Database, *pairs: IdPair) -> list[Linked]:
    """Join with `ingest`."""
    async with database.write(W) as tx:
        return await link_ids(tx, pairs, INGEST, NOW)


async def anonymous_ids(database: Database) -> set[str]:
    """The ids that are still anonymous."""
    async with database.read(W) as tx:
        return set((await tx.execute(select(user_aliases.c.external_id).where(user_aliases.c.anonymous))).scalars())


async def test_any_use_identifies_but_as_an_anonymous_id(database: Database) -> None:
    """In one batch with new and known ids; an anonymous use of an identified id changes nothing."""
    await use(database, "v1", "v2", "v3", anonymous=("v1", "v2", "v3"))
    first = await use(database, "v1", "v2", "ann", anonymous=("v1",))
    assert await anonymous_ids(database) == {"v1", "v3"}
    assert await use(database, "v1", "v2", "ann", anonymous=("v1", "v2", "ann")) == first
    assert await anonymous_ids(database) == {"v1", "v3"}


async def test_a_joined_id_that_is_identified_begins_a_new_user(installation: Installation) -> None:
    """The history stays with the user whom it was joined into; the record of the join ends; the rest stays joined."""
    database = installation.database
    await installation.intake.ingest([buy("b", 0, "v1")], anonymous={"v1"})
    await use(database, "v2", anonymous=("v2",))
    assert await link(database, IdPair("v1", "ann"), IdPair("v2", "ann")) == ["linked", "linked"]
    keys = await use(database, "v1", "v2", "ann", anonymous=("v2",))
    assert keys["v2"] == keys["ann"] != keys["v1"]
    async with database.read(W) as tx:
        assert set((await tx.execute(select(interactions.c.user_key))).scalars()) == {keys["ann"]}
        joins = {join.previous_id: join for join in await load_joins(tx, keys["ann"])}
    assert (joins["v1"].joined_at, joins["v1"].joined_by, joins["v1"].route) == (NOW, "0123456789ab", "batch")
    assert (joins["v1"].undone_at, joins["v1"].undone_by, joins["v2"].undone_at) == (LATER, None, None)
    assert await link(database, IdPair("v1", "ann")) == [JoinRefusal.IDENTIFIED]


async def test_anonymous_ids_among_themselves(database: Database) -> None:
    """Whoever is identified first leaves; the last one only becomes identified."""
    await use(database, "v1", "v2", "v3", anonymous=("v1", "v2", "v3"))
    pairs = [IdPair("v1", "v2", is_anonymous=True), IdPair("v3", "v2", is_anonymous=True)]
    assert await link(database, *pairs) == ["linked", "linked"]
    assert await link(database, IdPair("v1", "new", is_anonymous=True)) == [JoinRefusal.UNSEEN]
    before = (await use(database, "v3", anonymous=("v3",)))["v3"]
    keys = await use(database, "v1", "v2", "v3")
    assert len(set(keys.values())) == 3
    assert keys["v3"] == before
    assert await anonymous_ids(database) == set()


async def test_a_chain(database: Database) -> None:
    """Two visitors become one, and ann's; bob gets neither then, whichever of the two he names."""
    await use(database, "v1", "v2", anonymous=("v1", "v2"))
    assert await link(database, IdPair("v1", "v2", is_anonymous=True), IdPair("v2", "ann")) == ["linked", "linked"]
    refused = [JoinRefusal.IDENTIFIED] * 2
    assert await link(database, IdPair("v1", "bob"), IdPair("v2", "bob")) == refused
    keys, _ = await _find(database, "v1", "v2", "ann", "bob")
    assert keys == dict.fromkeys(("v1", "v2", "ann"), keys["ann"])


async def _find(database: Database, *ids: str) -> tuple[dict[str, str], set[str]]:
    async with database.read(W) as tx:
        return await find_user_keys(tx, ids)


async def test_a_split_id_is_identified(database: Database) -> None:
    """It has a new user without anything, and who did it is recorded."""
    await use(database, "v1", anonymous=("v1",))
    await link(database, IdPair("v1", "ann"))
    async with database.write(W) as tx:
        key = await split_id(tx, "v1", LATER, "alice")
        ann = (await find_user_keys(tx, ["ann"]))[0]["ann"]
        (join,) = await load_joins(tx, ann)
        assert set((await tx.execute(select(users.c.user_key))).scalars()) == {key, ann}
    assert (join.undone_at, join.undone_by) == (LATER, "alice")
    assert await anonymous_ids(database) == set()


async def test_an_internal_report_does_not_identify(installation: Installation) -> None:
    """An item whose user's id was read from the store, as our own receipts' are."""
    await installation.intake.ingest([buy("b", 0, "visitor")], anonymous={"visitor"})
    await installation.intake.ingest([buy("c", 0, "visitor")], anonymous={"visitor"})
    assert await anonymous_ids(installation.database) == {"visitor"}
    await installation.ingest(buy("d", 0, "visitor"))
    assert await anonymous_ids(installation.database) == set()


async def test_who_signs_up_while_being_joined(postgresql_database: Database) -> None:
    """The join waits for the lock, and then finds an identified id: it is refused."""
    database = postgresql_database
    await use(database, "bob", anonymous=("bob",))
    async with database.write(W) as tx:
        await resolve_and_lock(tx, ["bob"], NOW)
        joining = asyncio.create_task(link(database, IdPair("bob", "mallory")))
        await until_waiting(database, 1)
    async with asyncio.timeout(30):
        assert await joining == [JoinRefusal.IDENTIFIED]


async def test_who_is_joined_while_signing_up(postgresql_database: Database) -> None:
    """The use waits for the lock, and then finds a joined id: it begins a new user."""
    database = postgresql_database
    await use(database, "bob", anonymous=("bob",))
    async with database.write(W) as tx:
        assert await link_ids(tx, [IdPair("bob", "mallory")], INGEST, NOW) == ["linked"]
        signing_up = asyncio.create_task(use(database, "bob"))
        await until_waiting(database, 1)
    async with asyncio.timeout(30):
        keys = await signing_up
    found, _ = await _find(database, "bob", "mallory")
    assert found["bob"] == keys["bob"] != found["mallory"]
