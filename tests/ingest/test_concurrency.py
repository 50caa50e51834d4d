"""Several intakes at once on one database: the publication instant is exact, and users' items never cross."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from connector.rules.model.reasons import OPEN_STATES
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.tables import decisions, follow_ups, interactions, publications
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, follow_on
from tests.support.databases import open_database
from tests.support.installation import Installation
from tests.support.user_histories import (
    FOLLOW_ONS,
    Done,
    as_items,
    draw_batches,
    in_order,
    load_outcomes,
    load_rows,
    new_user,
)


async def _together(url: str, *acts: tuple[str, str, int]) -> None:
    """Run these processes side by side until all have ended well."""
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.support.concurrent_process",
            act,
            url,
            name,
            str(count),
            stderr=asyncio.subprocess.PIPE,
        )
        for act, name, count in acts
    ]
    for process in running:
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()


def _live(windows: Sequence[tuple[object, object]], t: object) -> bool:
    return any(opened <= t and (closed is None or t < closed) for opened, closed in windows)  # type: ignore[operator]


async def test_publication_is_exact_among_processes(database: Database, database_url: str) -> None:
    """Guarantee 1, P2: with two publishers and three intakes, t alone decides what counts, to the microsecond."""
    await Installation(database).publish(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}), since=None)
    await _together(
        database_url,
        *(("ingest", f"intake{n}", 25) for n in range(3)),
        *(("publish", f"publisher{n}", 12) for n in range(2)),
    )
    async with database.read("default") as tx:
        logged = (await tx.execute(select(interactions.c.id, interactions.c.t))).all()
        started = set((await tx.execute(select(follow_ups.c.trigger_id))).scalars())
        refused = set((await tx.execute(select(decisions.c.interaction_id))).scalars())
        where = select(publications.c.opened_at, publications.c.closed_at).where(publications.c.id == "f")
        windows = [tuple(row) for row in await tx.execute(where)]
    assert len(logged) == 3 * 25 * 3
    assert len(windows) > 2, "the publishers did not get between the intakes"
    for name, t in logged:
        assert (name in started) == _live(windows, t), (name, t, windows)
        assert (name in refused) != (name in started)


@pytest.mark.parametrize("processes", [4])
async def test_users_items_never_cross(database: Database, database_url: str, processes: int) -> None:
    """Guarantees 2 and 3: one open wait a user, and every end is by an exception within its wait."""
    await Installation(database).publish(ORIGINAL, {**ABANDONED}, since=None)
    await _together(database_url, *(("cross", "x" * (n + 1), 15) for n in range(processes)))
    async with database.read("default") as tx:
        rows = (await tx.execute(select(follow_ups))).all()
        times = {name: t for name, t in await tx.execute(select(interactions.c.id, interactions.c.t))}
    assert len(times) == processes * 15 * 5
    open_waits = Counter(row.user_key for row in rows if row.state in OPEN_STATES)
    assert set(open_waits.values()) <= {1}
    excepted = [row for row in rows if row.state == "excepted"]
    assert excepted
    for row in excepted:
        assert row.triggered_at < times[row.exception_id]
        between = [t for name, t in times.items() if name.endswith(row.exception_id[-2:]) and row.triggered_at < t]
        assert min(between) <= times[row.exception_id]


Lane = list[list[Done]]


@st.composite
def _lanes(draw: st.DrawFn) -> list[Lane]:
    """A timeline in pieces, each given to one or two of four intakes, in an order of its own in each."""
    lanes: list[Lane] = [[], [], [], []]
    for batch in draw(draw_batches(most=9)):
        for lane in draw(st.sets(st.integers(0, 3), min_size=1, max_size=2)):
            place = draw(st.integers(0, len(lanes[lane])))
            lanes[lane].insert(place, draw(st.permutations(batch)))
    return lanes


async def _take_in(installation: Installation, user: str, lane: Lane) -> int:
    """How many items this intake was the first to hear of."""
    accepted = 0
    for batch in lane:
        items = as_items(user, batch)
        for attempt in range(5):
            try:
                results = await installation.ingest(*items)
                break
            except StoreUnavailable:  # PostgreSQL chose this one to fail: send it again, as a service does
                assert attempt < 4
        accepted += sum(result.status == "accepted" for result in results)
    return accepted


async def test_four_intakes_at_once_give_what_one_gives_in_order(
    postgresql_database: Database, postgresql_url: str
) -> None:
    """T5, M6, guarantees 2 and 3: shuffled, repeated and late, on four sets of connections at once."""
    one = Installation(postgresql_database)
    await one.publish(ORIGINAL, *FOLLOW_ONS)
    drawn: list[list[Lane]] = []

    @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(_lanes())
    def draw(lanes: list[Lane]) -> None:
        drawn.append(lanes)

    draw()
    async with AsyncExitStack() as stack:
        installations = [Installation(await stack.enter_async_context(open_database(postgresql_url))) for _ in range(4)]
        for lanes in drawn:
            together, alone = new_user(), new_user()
            acts = [
                _take_in(installation, together, lane) for installation, lane in zip(installations, lanes, strict=True)
            ]
            accepted = await asyncio.gather(*acts)
            ordered = in_order([batch for lane in lanes for batch in lane])
            await _take_in(one, alone, ordered)
            assert sum(accepted) == len(ordered), lanes
            came, expected = await load_outcomes(one.database, together), await load_outcomes(one.database, alone)
            assert came == expected, lanes
            open_waits = Counter(
                (row.campaign, row.key)
                for row in await load_rows(one.database, follow_ups, together)
                if row.state in OPEN_STATES
            )
            assert set(open_waits.values()) <= {1}
