"""Two ids of one user, on both databases: linked once, never two histories into one, erased together."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy import func, select

from connector.rules.users import User
from connector.store.database import Database
from connector.store.erasure import erase_user
from connector.store.linking import Linked, Pair, link_ids
from connector.store.tables import user_aliases, users
from connector.store.users import find_user, resolve_and_lock, save_user
from tests.house import ABANDONED, ORIGINAL, House, buy, push

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


async def link(database: Database, *pairs: Pair) -> list[Linked]:
    """Link in a transaction of its own."""
    async with database.write(W) as c:
        return await link_ids(c, W, pairs, NOW)


async def keys(database: Database, *ids: str) -> list[str | None]:
    """The surrogate keys to which these ids lead."""
    async with database.read() as c:
        found = [await find_user(c, W, id) for id in ids]
    return [stored.user_key if stored else None for stored in found]


async def test_an_unknown_id_becomes_another_id_of_the_known_user(database: Database) -> None:
    """Whichever of the two it is; a visitor's history stays the user's."""
    async with database.write(W) as c:
        visitor = await save_user(c, W, User(id="visitor", attributes={"seen": 1}), NOW)
        ann = await save_user(c, W, User(id="ann"), NOW)
    assert await link(database, ("visitor", "u-1"), ("phone", "ann")) == ["linked", "linked"]
    assert await keys(database, "visitor", "u-1", "phone", "ann") == [visitor, visitor, ann, ann]
    async with database.read() as c:
        found = await find_user(c, W, "u-1")
    assert found is not None
    assert (found.user.id, found.user.attributes) == ("u-1", {"seen": 1})
    assert await link(database, ("visitor", "u-1"), ("u-1", "visitor"), ("ann", "ann")) == ["nothing_new"] * 3


async def test_two_unknown_ids_are_one_new_user(database: Database) -> None:
    """Also along a chain of links in one batch; an id linked with itself is nobody."""
    assert await link(database, ("a", "b"), ("b", "c"), ("d", "a"), ("e", "e")) == [
        "linked", "linked", "linked", "nothing_new",
    ]  # fmt: skip
    found = await keys(database, "a", "b", "c", "d", "e")
    assert found[0] is not None
    assert found == [found[0]] * 4 + [None]
    async with database.read() as c:
        assert (await c.execute(select(func.count()).select_from(users))).scalar_one() == 1


async def test_two_users_stay_two(database: Database) -> None:
    """Each has a history already; nothing is changed."""
    async with database.write(W) as c:
        before = await resolve_and_lock(c, W, ["ann", "bob"], NOW)
    assert await link(database, ("ann", "bob"), ("bob", "b2")) == ["two_users", "linked"]
    assert await keys(database, "ann", "bob", "b2") == [before["ann"], before["bob"], before["bob"]]


async def test_erased_stays_erased(database: Database) -> None:
    """Neither by the old id nor by the new one."""
    async with database.write(W) as c:
        await save_user(c, W, User(id="ann"), NOW)
        await erase_user(c, W, "ann", NOW)
    assert await link(database, ("ann", "new"), ("old", "ann")) == ["erased", "erased"]
    assert await keys(database, "ann", "new", "old") == [None, None, None]


async def test_one_erasure_takes_all_ids(house: House) -> None:
    """Guarantee 8: no id of the user is left in any form that can be read, and none brings the user back."""
    await house.live(ORIGINAL, ABANDONED)
    await link(house.database, ("visitor@x", "ann@x"), ("tablet@x", "ann@x"))
    await house.take_in(push("p", 0, "visitor@x"))
    async with house.database.write(W) as c:
        assert await erase_user(c, W, "tablet@x", NOW)
        assert not await erase_user(c, W, "ann@x", NOW)
        left = [row.external_id for row in await c.execute(select(user_aliases))]
    assert len(left) == 3
    assert not [id for id in left if "@x" in id]
    late = await house.take_in(*(push(f"late-{id}", 1, id) for id in ("visitor@x", "ann@x", "tablet@x")))
    assert {result.fault for result in late} == {"erased: the user was erased"}
    assert [(state, why) for _, state, why in await house.outcomes()] == [("dropped", "erased")]


async def test_whatever_id_reports_it_is_the_same_user(house: House) -> None:
    """One wait for all ids of a user, ended by an exception under another one; also within one batch."""
    await house.live(ORIGINAL, ABANDONED)
    await house.take_in(push("p1", 0, "visitor"))
    await link(house.database, ("visitor", "ann"))
    await house.take_in(push("p2", 1, "ann"), push("p3", 2, "visitor"))
    assert [reason for _, _, reason in await house.refusals()] == ["already_waiting"] * 2
    await house.take_in(buy("b", 3, "ann"))
    assert await house.outcomes() == [("p1", "excepted", "b")]


async def test_a_dispatch_to_all_devices_under_all_ids(house: House) -> None:
    """M3: one interaction, whichever id each device knows."""
    await link(house.database, ("visitor", "ann"))
    await house.live(ORIGINAL, ABANDONED)
    results = await house.take_in(push("d1", 0, "visitor", dispatch="x"), push("d2", 0, "ann", dispatch="x"))
    assert [result.status for result in results] == ["accepted", "duplicate"]


async def test_many_links_cost_as_many_statements_as_one(database: Database) -> None:
    """Constant, whatever becomes of them."""
    counts = []
    for size, name in ((1, "a"), (200, "b")):
        with database.count_statements() as count:
            await link(database, *((f"{name}{n}", f"{name}{n}-new") for n in range(size)))
        counts.append(len(count.statements))
    assert counts[0] == counts[1]


async def test_the_same_link_from_many_sides(postgresql_database: Database) -> None:
    """At once with each other, and with reports of the same ids: one user, or two who stay two, never a fault."""

    async def report(id: str) -> None:
        async with postgresql_database.write(W) as c:
            await resolve_and_lock(c, W, [id], NOW)

    for n in range(5):
        old, new = f"old{n}", f"new{n}"
        links = [link(postgresql_database, (old, new)) for _ in range(4)]
        done, *_ = await asyncio.gather(asyncio.gather(*links), report(new), report(old))
        first, second = await keys(postgresql_database, old, new)
        assert first is not None
        assert second is not None
        outcomes = {outcome for (outcome,) in done}
        assert (first == second) is ("two_users" not in outcomes)
        assert outcomes <= ({"linked", "nothing_new"} if first == second else {"two_users"})


async def test_linking_while_erasing(postgresql_database: Database) -> None:
    """Guarantee 8: whichever comes first, the new id does not lead to an erased user."""

    async def erase(id: str) -> bool:
        async with postgresql_database.write(W) as c:
            return await erase_user(c, W, id, NOW)

    for n in range(10):
        async with postgresql_database.write(W) as c:
            await resolve_and_lock(c, W, [f"old{n}"], NOW)
        assert (await asyncio.gather(link(postgresql_database, (f"old{n}", f"new{n}")), erase(f"old{n}")))[1]
        assert await keys(postgresql_database, f"old{n}", f"new{n}") == [None, None]
