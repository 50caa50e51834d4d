"""A repetition changes nothing, whenever and wherever it is ingested (M6, M3, guarantee 5, case 21)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from connector.rules.model.audit import Actor, ActorKind
from connector.rules.model.joining import IdPair, Joiner
from connector.store.engine.database import Database
from connector.store.tables import decisions, follow_ups, interactions, users
from connector.store.users.linking import link_ids
from connector.store.users.users import resolve_and_lock
from tests.support.builders import ABANDONED, ORIGINAL, buy, now, push
from tests.support.installation import Installation
from tests.support.user_histories import FOLLOW_ONS, Done, as_items, draw_batches, in_order, load_written, new_user

MANAGER = Joiner(Actor(ActorKind.KEY, "0123456789ab"), may_join_identified=True, route="alias")


@dataclass(frozen=True)
class Lives:
    """Batches in their order of arrival, what comes again after each of them, and whether intake began anew before."""

    batches: list[list[Done]]
    again: list[list[Done]]
    restarts: list[bool]


@st.composite
def _lives(draw: st.DrawFn) -> Lives:
    batches = draw(draw_batches(most=6))
    again: list[list[Done]] = []
    for number in range(len(batches)):
        known = [done for batch in batches[: number + 1] for done in batch]
        again.append(draw(st.lists(st.sampled_from(known), max_size=4)))
    restarts = draw(st.lists(st.booleans(), min_size=len(batches), max_size=len(batches)))
    return Lives(batches, again, restarts)


async def _everything(database: Database) -> list[Sequence[Any]]:
    """All rows that the intake writes, the users' included."""
    async with database.read("default") as tx:
        return [
            (await tx.execute(select(table).order_by(*table.primary_key))).all()
            for table in (follow_ups, decisions, interactions, users)
        ]


def _drawn(most: int) -> list[Lives]:
    drawn: list[Lives] = []

    @settings(
        max_examples=most, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True
    )
    @given(_lives())
    def draw(lives: Lives) -> None:
        drawn.append(lives)

    draw()
    return drawn


async def test_repeating_any_items_changes_no_row(database: Database) -> None:
    """M6, guarantee 5: any of what came, any time later, in any batch, also across a restart."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, *FOLLOW_ONS)
    for lives in _drawn(12):
        user = new_user()
        for batch, again, restart in zip(lives.batches, lives.again, lives.restarts, strict=True):
            await installation.ingest(*as_items(user, batch))
            before = await _everything(database)
            if restart:
                installation = Installation(database)
            assert {result.status for result in await installation.ingest(*as_items(user, again))} <= {"duplicate"}, (
                lives
            )
            assert await _everything(database) == before, lives
        before = await _everything(database)
        for step in in_order(lives.batches):
            await installation.ingest(*as_items(user, step))
        assert await _everything(database) == before, lives


async def test_what_comes_again_among_new_items_changes_nothing(database: Database) -> None:
    """M6: repetitions inside a batch of new items give the rows that the new items give alone."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, *FOLLOW_ONS)
    for lives in _drawn(12):
        alone, mixed = new_user(), new_user()
        for number, batch in enumerate(lives.batches):
            await installation.ingest(*as_items(alone, batch))
            before = lives.again[number - 1] if number else []
            await installation.ingest(*as_items(mixed, [*before, *batch, *batch]))
        assert await load_written(database, alone) == await load_written(database, mixed), lives


async def test_without_ids_and_by_several_devices(database: Database) -> None:
    """M6, M3: an item without an id is known by what it says, a dispatch by its name, also across a restart."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, *FOLLOW_ONS)
    bare = {name: value for name, value in push("", 0, dispatch="d").items() if name != "id"}
    await installation.ingest(bare)
    before = await _everything(database)
    again = Installation(database)
    results = await again.ingest(bare, push("another-device", 1, dispatch="d"))
    assert [result.status for result in results] == ["duplicate", "duplicate"]
    assert await _everything(database) == before


async def test_ids_of_two_users_have_nothing_to_do_with_each_other(database: Database) -> None:
    """M6, case 32: both count, in one batch or in two, as triggers and as exceptions."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, ABANDONED)
    first = await installation.ingest(push("same", 0, user="ann"), push("same", 0, user="bob"))
    second = [await installation.ingest(buy("order-777", 1, user=user)) for user in ("mallory", "ann")]
    assert [result.status for result in [*first, *second[0], *second[1]]] == ["accepted"] * 4
    assert sorted(await installation.outcomes()) == [("same", "excepted", "order-777"), ("same", "waiting", None)]


@pytest.mark.parametrize("days", [-1, -30, 0])
async def test_an_id_on_another_day_is_a_repetition(days: int, database: Database) -> None:
    """M6: whatever day it names, also in one batch, under another id of the same user, and after a restart."""
    installation = Installation(database)
    await installation.publish(ORIGINAL, ABANDONED)
    async with database.write("default") as tx:
        await resolve_and_lock(tx, ["visitor", "u"], now())
        assert await link_ids(tx, [IdPair("visitor", "u")], MANAGER, now()) == ["linked"]
    again = [push("e", days * 24 * 60, user="visitor"), push("e", days * 24 * 60)]
    results = [*await installation.ingest(push("e", 0), *again), *await Installation(database).ingest(*again)]
    assert [result.status for result in results] == ["accepted", *["duplicate"] * 4]
    assert await installation.outcomes() == [("e", "waiting", None)]
