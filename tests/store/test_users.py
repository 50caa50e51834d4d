"""Users: surrogate keys, locks and descriptions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select

from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.tables import user_aliases, users
from connector.store.users.descriptions import merge_user, save_user
from connector.store.users.users import find_user, load_users, lock_user, raise_newest, resolve_and_lock
from tests.support.query_plans import until_waiting

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
ANNA = User(
    id="anna",
    email="anna@example.com",
    phone="+15550100",
    push_tokens=("token-1", "token-2"),
    time_zone="Asia/Tokyo",
    first_name="Anna",
    attributes={"tier": "gold", "seen": 3, "beta": True, "cities": ["Kyoto"]},
    consent={"email": "subscribed", "sms": "unsubscribed"},
)


async def test_an_unknown_user_is_created_without_a_description_and_keeps_the_key(database: Database) -> None:
    """A user who was never described has nothing but an id; the key is opaque and never changes."""
    async with database.write(W) as tx:
        first = await resolve_and_lock(tx, ["u-1", "u-2", "u-1"], NOW)
    async with database.write(W) as tx:
        assert await resolve_and_lock(tx, ["u-2", "u-1"], NOW) == first
        stored = await load_users(tx, first.values())
    assert len(set(first.values())) == 2
    assert all(len(key) == 32 and "u-" not in key for key in first.values())
    assert stored[first["u-1"]].user == User(id="u-1")
    assert stored[first["u-1"]].newest_t is None


async def test_what_was_saved_is_loaded(database: Database) -> None:
    """Every part of a description is loaded as it was saved."""
    async with database.write(W) as tx:
        user_key = await save_user(tx, ANNA, NOW)
    async with database.read(W) as tx:
        loaded = (await load_users(tx, [user_key]))[user_key]
        found = await find_user(tx, "anna")
        assert await find_user(tx, "nobody") is None
    assert loaded.user == ANNA
    assert found == loaded


async def test_saving_replaces_the_whole_description(database: Database) -> None:
    """PUT replaces everything but consent, which only a statement changes."""
    async with database.write(W) as tx:
        user_key = await save_user(tx, ANNA, NOW)
        assert await save_user(tx, User(id="anna", first_name="Ann"), NOW) == user_key
        replaced = User(id="anna", first_name="Ann", consent=ANNA.consent)
        assert (await load_users(tx, [user_key]))[user_key].user == replaced


async def test_merging_goes_by_key_in_attributes_and_consent(database: Database) -> None:
    """PATCH merges attributes and consent per key; the rest replaces."""
    changes = {"attributes": {"tier": "silver"}, "consent": {"push": "unsubscribed"}, "push_tokens": ["token-3"]}
    async with database.write(W) as tx:
        user_key = await save_user(tx, ANNA, NOW)
        await merge_user(tx, "anna", changes, NOW)
        merged = (await load_users(tx, [user_key]))[user_key].user
    assert merged.attributes == ANNA.attributes | {"tier": "silver"}
    assert merged.consent == ANNA.consent | {"push": "unsubscribed"}
    assert merged.push_tokens == ("token-3",)
    assert merged.email == ANNA.email


async def test_merging_creates_an_unknown_user(database: Database) -> None:
    """A PATCH may be the first description of a user."""
    async with database.write(W) as tx:
        await merge_user(tx, "new", {"first_name": "Nora"}, NOW)
        found = await find_user(tx, "new")
    assert found is not None
    assert found.user == User(id="new", first_name="Nora")


async def test_a_merge_that_is_not_well_formed_changes_nothing(database: Database) -> None:
    """An unknown zone is refused before anything is written."""
    async with database.write(W) as tx:
        with pytest.raises(ValidationError, match="Europe/Berlin"):
            await merge_user(tx, "new", {"time_zone": "Mars/Base"}, NOW)
        assert await find_user(tx, "new") is None


async def test_two_ids_of_one_user_have_the_same_key(database: Database) -> None:
    """A user is found by each id, and returned with the one that was asked for."""
    async with database.write(W) as tx:
        user_key = await save_user(tx, ANNA, NOW)
        await tx.execute(user_aliases.insert().values(workspace=W, external_id="a-17", user_key=user_key))
        assert await resolve_and_lock(tx, ["anna", "a-17"], NOW) == {"anna": user_key, "a-17": user_key}
        found = await find_user(tx, "anna")
        other = await find_user(tx, "a-17")
    assert found is not None
    assert other is not None
    assert (found.user.id, other.user.id) == ("anna", "a-17")
    assert found.user_key == other.user_key == user_key


async def test_workspaces_do_not_share_users(database: Database) -> None:
    """The same id in another workspace is another user."""
    async with database.write(W) as tx:
        one = await save_user(tx, ANNA, NOW)
    async with database.write("other") as tx:
        two = (await resolve_and_lock(tx, ["anna"], NOW))["anna"]
        assert one != two
        assert await load_users(tx, [one]) == {}


async def test_the_newest_time_only_rises(database: Database) -> None:
    """Guarantee 3: the event time up to which a user was evaluated never decreases, to the microsecond."""
    early, late = NOW, NOW + timedelta(microseconds=1)
    async with database.write(W) as tx:
        keys = await resolve_and_lock(tx, ["a", "b", "c"], NOW)
        await raise_newest(tx, {keys["a"]: early, keys["b"]: late})
        await raise_newest(tx, {keys["a"]: late, keys["b"]: early})
        await raise_newest(tx, {})
        stored = await load_users(tx, keys.values())
    assert [stored[keys[name]].newest_t for name in "abc"] == [late, late, None]


async def test_the_number_of_statements_does_not_depend_on_the_batch(database: Database) -> None:
    """Statements per batch, not per user, even beyond SQLite's limit of variables."""
    counts = []
    for size in (1, 900):
        names = [f"{size}-{number}" for number in range(size)]
        async with database.write(W) as tx:
            with database.count_statements() as count:
                keys = await resolve_and_lock(tx, names, NOW)
                await resolve_and_lock(tx, names, NOW)
                await raise_newest(tx, dict.fromkeys(keys.values(), NOW))
                assert len(await load_users(tx, keys.values())) == size
            counts.append(len(count.statements))
    assert counts[0] == counts[1]


async def test_more_users_than_a_statement_has_variables(database: Database) -> None:
    """A set of values is one parameter, so 40,000 users can be asked for at once."""
    async with database.write(W) as tx:
        keys = await resolve_and_lock(tx, ["here"], NOW)
        asked = [f"nobody-{number}" for number in range(40_000)]
        assert list(await load_users(tx, [*asked, *keys.values()])) == list(keys.values())


async def test_batches_with_overlapping_new_users_agree_on_their_keys(database: Database) -> None:
    """All batches get the same key for a new user, and no user is created twice."""

    async def batch(names: list[str]) -> dict[str, str]:
        async with database.write(W) as tx:
            return await resolve_and_lock(tx, names, NOW)

    names = [f"u-{number:03}" for number in range(200)]
    async with asyncio.timeout(60):
        found = await asyncio.gather(*(batch(names[::step]) for step in (1, -1, 2, -2, 3, -3)))
    assert all(result.items() <= found[0].items() for result in found)
    async with database.read(W) as tx:
        assert (await tx.execute(select(func.count()).select_from(users))).scalar_one() == len(names)


async def test_batches_that_name_new_users_in_opposite_orders_do_not_deadlock(postgresql_database: Database) -> None:
    """Guarantee 3: users are created in sorted order; in the order named, each batch would wait for the other."""
    database = postgresql_database

    async def batch(*names: str) -> dict[str, str]:
        async with database.write(W) as tx:
            return await resolve_and_lock(tx, names, NOW)

    async with database.write(W) as tx:
        await resolve_and_lock(tx, ["m"], NOW)  # holds both batches in the middle of theirs
        forth, back = asyncio.create_task(batch("a", "m", "z")), asyncio.create_task(batch("z", "m", "a"))
        await until_waiting(database, 2)
    async with asyncio.timeout(30):
        assert await forth == await back


async def test_a_locked_user_waits_and_another_does_not(postgresql_database: Database) -> None:
    """Guarantee 3: trigger, exception and claim of one user are serialised; other users do not wait."""
    database = postgresql_database
    async with database.write(W) as tx:
        keys = await resolve_and_lock(tx, ["a", "b"], NOW)

    async def lock(name: str) -> None:
        async with database.write(W) as tx:
            await lock_user(tx, keys[name])

    async with database.write(W) as tx:
        await lock_user(tx, keys["a"])
        await asyncio.wait_for(lock("b"), 5)
        waiting = asyncio.create_task(lock("a"))
        await until_waiting(database, 1)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 5)
