"""Two ids of one user, on both databases: linked once, histories never merged, erased together."""

import asyncio
from datetime import UTC, datetime
from itertools import pairwise, permutations, product
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select, update

from connector.rules.model.audit import Actor, ActorKind
from connector.rules.model.joining import IdPair, Joiner
from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.erasure import erase_user
from connector.store.follow_ups.deliveries import load_deliveries_by_id
from connector.store.follow_ups.selection import FollowUpFilter
from connector.store.provider_events.attribution import find_holders
from connector.store.reporting.overview import list_follow_ups
from connector.store.tables import (
    assignments,
    decisions,
    deliveries,
    follow_ups,
    inbox,
    inbox_marks,
    interactions,
    receipts,
    user_aliases,
    users,
)
from connector.store.users.consent_history import load_changes
from connector.store.users.descriptions import merge_user, save_user
from connector.store.users.linking import Linked, link_ids
from connector.store.users.users import find_user, find_user_keys, load_users, resolve_and_lock
from tests.support.builders import ABANDONED, ORIGINAL, buy, push
from tests.support.installation import Installation
from tests.support.query_plans import until_waiting

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


OPERATOR = Joiner(Actor(ActorKind.KEY, "0123456789ab"), may_join_identified=True, route="alias")


async def link(database: Database, *pairs: tuple[str, str], joiner: Joiner = OPERATOR) -> list[Linked]:
    """Link in a transaction of its own, as a key with `manage` does."""
    async with database.write(W) as tx:
        return await link_ids(tx, [IdPair(*pair) for pair in pairs], joiner, NOW)


async def keys(database: Database, *ids: str) -> list[str | None]:
    """The surrogate keys of these ids."""
    async with database.read(W) as tx:
        found = [await find_user(tx, id) for id in ids]
    return [stored.user_key if stored else None for stored in found]


async def test_an_unknown_id_becomes_another_id_of_the_known_user(database: Database) -> None:
    """Either of the two ids; a visitor's history becomes the user's."""
    async with database.write(W) as tx:
        visitor = await save_user(tx, User(id="visitor", attributes={"seen": 1}), NOW)
        ann = await save_user(tx, User(id="ann"), NOW)
    assert await link(database, ("visitor", "u-1"), ("phone", "ann")) == ["linked", "linked"]
    assert await keys(database, "visitor", "u-1", "phone", "ann") == [visitor, visitor, ann, ann]
    async with database.read(W) as tx:
        found = await find_user(tx, "u-1")
    assert found is not None
    assert (found.user.id, found.user.attributes) == ("u-1", {"seen": 1})
    assert await link(database, ("visitor", "u-1"), ("u-1", "visitor"), ("ann", "ann")) == ["nothing_new"] * 3


async def test_two_unknown_ids_are_one_new_user(database: Database) -> None:
    """Also along a chain of links in one batch; an id linked with itself creates nobody."""
    assert await link(database, ("a", "b"), ("b", "c"), ("d", "a"), ("e", "e")) == [
        "linked", "linked", "linked", "nothing_new",
    ]  # fmt: skip
    found = await keys(database, "a", "b", "c", "d", "e")
    assert found[0] is not None
    assert found == [found[0]] * 4 + [None]
    async with database.read(W) as tx:
        assert (await tx.execute(select(func.count()).select_from(users))).scalar_one() == 1


async def described(database: Database, id: str) -> User:
    """The user's description."""
    async with database.read(W) as tx:
        stored = await find_user(tx, id)
    assert stored is not None
    return stored.user


async def test_two_users_stay_two(installation: Installation) -> None:
    """Each has a history already; nothing changes."""
    await installation.ingest(buy("a", 0, "ann"), buy("b", 0, "bob"))
    before = await keys(installation.database, "ann", "bob")
    assert await link(installation.database, ("ann", "bob"), ("bob", "b2")) == ["two_histories", "linked"]
    assert await keys(installation.database, "ann", "bob", "b2") == [*before, before[1]]


OLD = User(id="old", email="old@x.test", phone="+1", attributes={"a": 1, "b": 1}, consent={"email": "unsubscribed"})
NEW = User(id="new", email="new@x.test", first_name="Ann", attributes={"b": 2, "c": 2}, consent={"sms": "subscribed"})
BOTH = User(
    id="new", email="new@x.test", phone="+1", first_name="Ann", attributes={"a": 1, "b": 2, "c": 2},
    consent={"email": "unsubscribed", "sms": "subscribed"},
)  # fmt: skip


@pytest.mark.parametrize("acted", ["old", "new", None])
async def test_who_was_only_described_becomes_part_of_the_other(installation: Installation, acted: str | None) -> None:
    """Either of the two: its ids and its description go to the other; if both differ, the new id's wins.

    Of consent, the statement that holds, as if the new id's had come after the old one's. Its history has both, and
    what the join changed.
    """
    database = installation.database
    await link(database, ("old", "old2"), ("new", "new2"))
    async with database.write(W) as tx:
        await save_user(tx, OLD, NOW)
        await save_user(tx, NEW, NOW)
        opt_out = {"state": "unsubscribed", "effective_at": NOW}
        await merge_user(tx, "old", {"consent": {"email": opt_out}}, NOW)
        await merge_user(tx, "new", {"consent": {"email": "subscribed"}}, NOW)
        await tx.execute(update(users).values(newest_t=NOW))
    before = dict(zip(("old", "new"), await keys(database, "old", "new"), strict=True))
    if acted:
        await installation.ingest(buy("a", 0, acted))
    assert await link(database, ("old", "new"), ("new2", "old2")) == ["linked", "nothing_new"]
    assert await keys(database, "old", "old2", "new", "new2") == [before[acted or "new"]] * 4
    assert await described(database, "new") == BOTH
    async with database.read(W) as tx:
        (row,) = (await tx.execute(select(users))).all()
        history = [change for _, change in await load_changes(tx, row.user_key)]
    changed = ("sms", None, "subscribed") if acted == "old" else ("email", "subscribed", "unsubscribed")
    assert [(one.channel, one.old_state, one.state, one.source) for one in history[:1]] == [(*changed, "join")]
    assert [one.source for one in history[1:]] == ["profile"] * 3, "of both, because each was stated"
    assert row.newest_t == NOW
    assert row.said_by == {"email": "service", "sms": "profile"}
    assert row.said_at == {"email": NOW.isoformat()}


HISTORY: list[tuple[Table, dict[str, Any]]] = [
    (follow_ups, {
        "id": "f1", "campaign": "f", "revision": 1, "window_id": 1, "key": "", "trigger_id": "t", "trigger": {},
        "triggered_at": NOW, "due_at": NOW, "next_at": NOW, "channels": [], "state": "sent", "created_at": NOW,
    }),
    (deliveries, {"id": "d1", "follow_up_id": "f1", "campaign": "f", "channel": "push", "state": "sent", "attempt": 1}),
    (receipts, {"campaign": "o", "key": "", "received_at": NOW}),
    (assignments, {"campaign": "o", "control": False}),
    (decisions, {"campaign": "f", "key": "", "interaction_id": "i", "t": NOW, "state": "refused", "reason": "stale",
                 "decided_at": NOW}),
    (inbox, {"id": "m1", "delivery_id": "d1", "campaign": "f", "kind": "content_card", "content": {}, "priority": 1,
             "created_at": NOW, "expires_at": NOW}),
    (inbox_marks, {"message": "card:c", "viewed_at": NOW}),
]  # fmt: skip


@pytest.mark.parametrize(("table", "row"), HISTORY, ids=[table.name for table, _ in HISTORY])
async def test_what_is_a_history(installation: Installation, table: Table, row: dict[str, Any]) -> None:
    """Anything that a user did or received, none of which is moved."""
    await installation.publish(ORIGINAL)
    await installation.ingest(buy("a", 0, "old"))
    async with installation.database.write(W) as tx:
        user_key = (await resolve_and_lock(tx, ["new"], NOW))["new"]
        await tx.execute(insert(table).values(workspace=W, user_key=user_key, **row))
    assert await link(installation.database, ("old", "new")) == ["two_histories"]
    assert (await keys(installation.database, "new")) == [user_key]


async def test_a_chain_of_described_users(installation: Installation) -> None:
    """In one batch: each becomes part of the next, and all part of the one who did something."""
    await installation.ingest(buy("a", 0, "d"))
    async with installation.database.write(W) as tx:
        for name in "abcef":
            await save_user(tx, User(id=name, attributes={name: 1}), NOW)
    pairs = [("a", "b"), ("b", "c"), ("x", "a"), ("d", "c"), ("e", "d"), ("y", "f"), ("f", "e")]
    assert await link(installation.database, *pairs) == ["linked"] * 7
    found = await keys(installation.database, *"abcdefxy")
    assert found == [found[3]] * 8
    assert (await described(installation.database, "d")).attributes == dict.fromkeys("abcef", 1)


async def test_two_descriptions_that_are_too_much_together(database: Database) -> None:
    """Neither is shortened: they stay two users."""
    async with database.write(W) as tx:
        for name in ("a", "b"):
            await save_user(tx, User(id=name, attributes={name: "x" * 200_000}), NOW)
    assert await link(database, ("a", "b"), ("a", "c")) == ["too_large", "linked"]
    assert (await described(database, "c")).attributes.keys() == {"a"}


async def test_erased_stays_erased(database: Database) -> None:
    """Neither the old id nor the new one brings an erased user back."""
    async with database.write(W) as tx:
        await save_user(tx, User(id="ann"), NOW)
        await erase_user(tx, "ann", NOW)
    assert await link(database, ("ann", "new"), ("old", "ann")) == ["erased", "erased"]
    assert await keys(database, "ann", "new", "old") == [None, None, None]


async def test_one_erasure_takes_all_ids(installation: Installation) -> None:
    """Guarantee 8: no id of the user is left in readable form, and none brings the user back."""
    await installation.publish(ORIGINAL, ABANDONED)
    await link(installation.database, ("visitor@x", "ann@x"), ("tablet@x", "ann@x"))
    await installation.ingest(push("p", 0, "visitor@x"))
    async with installation.database.write(W) as tx:
        assert await erase_user(tx, "tablet@x", NOW)
        assert not await erase_user(tx, "ann@x", NOW)
        assert (await tx.execute(select(user_aliases))).all() == []
    late = await installation.ingest(*(push(f"late-{id}", 1, id) for id in ("visitor@x", "ann@x", "tablet@x")))
    assert {result.fault for result in late} == {"erased: the user was erased"}
    assert [(state, why) for _, state, why in await installation.outcomes()] == [("dropped", "erased")]


async def test_whatever_id_reports_it_is_the_same_user(installation: Installation) -> None:
    """One follow-up for all ids of a user, ended by an exception under another id; also within one batch."""
    await installation.publish(ORIGINAL, ABANDONED)
    await installation.ingest(push("p1", 0, "visitor"))
    await link(installation.database, ("visitor", "ann"))
    await installation.ingest(push("p2", 1, "ann"), push("p3", 2, "visitor"))
    assert [reason for _, _, reason in await installation.refusals()] == ["already_waiting"] * 2
    await installation.ingest(buy("b", 3, "ann"))
    assert await installation.outcomes() == [("p1", "excepted", "b")]


async def test_a_dispatch_to_all_devices_under_all_ids(installation: Installation) -> None:
    """M3: one interaction, whichever id each device uses."""
    await link(installation.database, ("visitor", "ann"))
    await installation.publish(ORIGINAL, ABANDONED)
    results = await installation.ingest(push("d1", 0, "visitor", dispatch="x"), push("d2", 0, "ann", dispatch="x"))
    assert [result.status for result in results] == ["accepted", "duplicate"]


async def test_many_links_cost_as_many_statements_as_one(database: Database) -> None:
    """The number of statements is constant, whatever the results."""
    counts = []
    for described in (False, True):
        for size, name in ((1, f"a{described}"), (200, f"b{described}")):
            pairs = [(f"{name}{n}", f"{name}{n}-new") for n in range(size)]
            if described:
                async with database.write(W) as tx:
                    await resolve_and_lock(tx, [id for pair in pairs for id in pair], NOW)
            with database.count_statements() as count:
                assert await link(database, *pairs) == ["linked"] * size
            counts.append(len(count.statements))
    assert (counts[0], counts[2]) == (counts[1], counts[3])


async def shown(database: Database, id: str, number: int) -> set[str | None]:
    """The ids by which every read shows the user, with the follow-up of this number."""
    async with database.write(W) as tx:
        key = (await find_user_keys(tx, [id]))[0][id]
        delivery, history = f"d{number}", dict(HISTORY)
        for table, row in (
            (follow_ups, {"id": f"f{number}"}),
            (deliveries, {"id": delivery, "follow_up_id": f"f{number}"}),
        ):
            await tx.execute(insert(table).values(workspace=W, user_key=key, **{**history[table], **row}))
        ((holder,),) = (await find_holders(tx, "email", [f"{number}@x.test"])).values()
        return {
            (await load_users(tx, [key]))[key].user.id,
            (await load_deliveries_by_id(tx, [delivery]))[delivery].user,
            *(one.user for one in (await list_follow_ups(tx, FollowUpFilter(user_key=key))).listings),
            holder,
        }


LINKS = [("a", "b"), ("b", "now"), ("a", "now")]


async def test_the_id_used_now_is_shown(installation: Installation) -> None:
    """In every order of the links, in one call or several, for every set of known users, and with repeated links."""
    database, number = installation.database, 0
    for links, together, known in product(permutations(LINKS), (True, False), ("a", "b", "now", "acted", "all")):
        number += 1
        names = {name: f"{name}{number}" for name in ("a", "b", "now")}
        if known == "acted":
            await installation.ingest(buy(f"buy{number}", 0, names["a"]))
        async with database.write(W) as tx:
            for name in names if known == "all" else ["a"] if known == "acted" else [known]:
                await save_user(tx, User(id=names[name], email=f"{number}@x.test"), NOW)
        pairs = [(names[one], names[other]) for one, other in links]
        for call in [pairs] if together else [[pair] for pair in pairs]:
            await link(database, *call)
        assert await shown(database, names["a"], number) == {names["now"]}, (links, together, known)
    async with database.read(W) as tx:
        assert {one.user for one in (await list_follow_ups(tx)).listings} == {f"now{n + 1}" for n in range(number)}


async def ranks(database: Database) -> dict[str, int]:
    """The ranks by id."""
    async with database.read(W) as tx:
        rows = await tx.execute(select(user_aliases.c.external_id, user_aliases.c.rank))
    return {row.external_id: row.rank for row in rows}


async def test_only_what_was_linked_has_a_rank(installation: Installation) -> None:
    """Not the ids of two histories, nor an id linked with itself; in a cycle all have one, and the alphabet decides."""
    await installation.ingest(buy("x", 0, "ann"), buy("y", 0, "bob"))
    await link(installation.database, ("ann", "bob"), ("bob", "bob"), ("v", "w"), ("w", "v"))
    assert await ranks(installation.database) == {"ann": 0, "bob": 0, "v": 1, "w": 1}
    async with installation.database.read(W) as tx:
        (key,) = set((await find_user_keys(tx, ["v", "w"]))[0].values())
        assert (await load_users(tx, [key]))[key].user.id == "v"


async def test_a_link_from_before_the_ranks(database: Database) -> None:
    """Its ids have no rank; they get one when the link is repeated, in one statement for all."""
    counts = []
    for size, name in ((1, "x"), (200, "y")):
        pairs = [(f"{name}{n}", f"{name}{n}-now") for n in range(size)]
        with database.count_statements() as count:
            await link(database, *pairs)
        assert not [one for one in count.statements if "UPDATE user_aliases" in one], "new ids come with their rank"
        async with database.write(W) as tx:
            await tx.execute(update(user_aliases).values(rank=0))
        with database.count_statements() as count:
            assert await link(database, *pairs) == ["nothing_new"] * size
        counts.append(len(count.statements))
        assert len([one for one in count.statements if "UPDATE user_aliases" in one]) == 1
        assert {id for id, rank in (await ranks(database)).items() if rank} == {old for old, _ in pairs}
    assert counts[0] == counts[1]


async def test_the_same_link_from_many_sides(postgresql_database: Database) -> None:
    """Concurrently, and with descriptions of the same ids: one user in the end, and no error."""

    async def report(id: str) -> None:
        async with postgresql_database.write(W) as tx:
            await resolve_and_lock(tx, [id], NOW)

    for n in range(5):
        old, new = f"old{n}", f"new{n}"
        links = [link(postgresql_database, (old, new)) for _ in range(4)]
        done, *_ = await asyncio.gather(asyncio.gather(*links), report(new), report(old))
        first, second = await keys(postgresql_database, old, new)
        assert first is not None
        assert second is not None
        assert first == second
        assert {outcome for (outcome,) in done} <= {"linked", "nothing_new"}
    async with postgresql_database.read(W) as tx:
        assert (await tx.execute(select(func.count()).select_from(users))).scalar_one() == 5


async def test_joining_while_they_act(postgresql_database: Database) -> None:
    """In every order, no interaction is left with a deleted user, and two histories stay two."""
    installation = Installation(postgresql_database)
    for n in range(12):
        old, new = f"old{n}", f"new{n}"
        async with postgresql_database.write(W) as tx:
            await resolve_and_lock(tx, [old, new], NOW)
        acts = [installation.ingest(buy(f"{id}-{k}", k, id)) for id in (old, new)[: 1 + n % 2] for k in range(2)]
        (outcome,), *results = await asyncio.gather(link(postgresql_database, (old, new)), *acts)
        assert {result.status for (result,) in results} == {"accepted"}
        first, second = await keys(postgresql_database, old, new)
        assert (first == second) is (outcome == "linked")
        assert outcome == "linked" or n % 2
    async with postgresql_database.read(W) as tx:
        there = set((await tx.execute(select(users.c.user_key))).scalars())
        theirs = set((await tx.execute(select(interactions.c.user_key))).scalars())
        led = set((await tx.execute(select(user_aliases.c.user_key))).scalars())
    assert theirs <= there == led


async def test_whose_lock_is_awaited_while_they_join(postgresql_database: Database) -> None:
    """Reports and an erasure that wait for a user who becomes part of another continue with that one."""
    database = postgresql_database
    installation = Installation(database)
    await installation.ingest(buy("a", 0, "ann"), buy("b", 0, "bob"))
    async with database.write(W) as tx:
        await resolve_and_lock(tx, ["visitor", "v2"], NOW)
        ann = (await find_user_keys(tx, ["ann"]))[0]["ann"]

    async def erase(id: str) -> str | None:
        async with database.write(W, lock="exclusive") as tx:
            return await erase_user(tx, id, NOW)

    async with database.write(W) as tx:
        pairs = [IdPair("visitor", "ann"), IdPair("v2", "bob")]
        assert await link_ids(tx, pairs, OPERATOR, NOW) == ["linked", "linked"]
        reporting = asyncio.create_task(installation.ingest(buy("c", 1, "visitor")))
        erasing = asyncio.create_task(erase("v2"))
        await until_waiting(database, 2)
    async with asyncio.timeout(30):
        assert [result.status for result in await reporting] == ["accepted"]
        assert await erasing
    async with database.read(W) as tx:
        rows = await tx.execute(select(interactions.c.id, interactions.c.user_key).order_by(interactions.c.id))
        assert [tuple(row) for row in rows] == [("a", ann), ("c", ann)]
    assert await keys(database, "bob", "v2") == [None, None]


async def test_crossing_links_do_not_deadlock(postgresql_database: Database) -> None:
    """Locks are taken in sorted order, even if users change meanwhile."""
    names = [f"n{n}" for n in range(12)]
    async with postgresql_database.write(W) as tx:
        await resolve_and_lock(tx, names, NOW)
    pairs = list(pairwise(names))
    async with asyncio.timeout(60):
        await asyncio.gather(
            *(link(postgresql_database, *pairs[k::2], *reversed(pairs[::step])) for k in (0, 1) for step in (1, -1, 2))
        )
    found = await keys(postgresql_database, *names)
    assert found == [found[0]] * len(names)


async def test_linking_while_erasing(postgresql_database: Database) -> None:
    """Guarantee 8: in either order, the new id does not name an erased user."""

    async def erase(id: str) -> str | None:
        async with postgresql_database.write(W, lock="exclusive") as tx:
            return await erase_user(tx, id, NOW)

    for n in range(10):
        async with postgresql_database.write(W) as tx:
            await resolve_and_lock(tx, [f"old{n}"], NOW)
        assert (await asyncio.gather(link(postgresql_database, (f"old{n}", f"new{n}")), erase(f"old{n}")))[1]
        assert await keys(postgresql_database, f"old{n}", f"new{n}") == [None, None]
