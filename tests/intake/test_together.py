"""Several processes at once on one database: the publication instant is exact, and users' items never cross."""

import asyncio
import sys
from collections import Counter
from collections.abc import Sequence

import pytest
from sqlalchemy import select

from connector.rules.reasons import OPEN_STATES
from connector.store.database import Database
from connector.store.tables import decisions, follow_ups, interactions, publications
from tests.house import ABANDONED, ORIGINAL, House, follow_on

PUSHED = {"interaction": "receive_push", "campaign": "o"}


async def _together(url: str, *acts: tuple[str, str, int]) -> None:
    """Run these processes side by side until all have ended well."""
    running = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.intake.hammer", act, url, name, str(count), stderr=asyncio.subprocess.PIPE
        )
        for act, name, count in acts
    ]
    for process in running:
        _, said = await process.communicate()
        assert process.returncode == 0, said.decode()


def _live(windows: Sequence[tuple[object, object]], t: object) -> bool:
    return any(opened <= t and (closed is None or t < closed) for opened, closed in windows)  # type: ignore[operator]


async def test_publication_is_exact_among_processes(database: Database, database_url: str) -> None:
    """Guarantee 1, P2: with two publishers and three intakes, t alone tells what counted, to the microsecond."""
    await House(database).live(ORIGINAL, follow_on("f", PUSHED, delay={"after": "1 day"}), since=None)
    await _together(
        database_url,
        *(("take-in", f"intake{n}", 25) for n in range(3)),
        *(("publish", f"publisher{n}", 12) for n in range(2)),
    )
    async with database.read() as c:
        logged = (await c.execute(select(interactions.c.id, interactions.c.t))).all()
        started = set((await c.execute(select(follow_ups.c.trigger_id))).scalars())
        refused = set((await c.execute(select(decisions.c.interaction_id))).scalars())
        where = select(publications.c.opened_at, publications.c.closed_at).where(publications.c.id == "f")
        windows = [tuple(row) for row in await c.execute(where)]
    assert len(logged) == 3 * 25 * 3
    assert len(windows) > 2, "the publishers did not get between the intakes"
    for name, t in logged:
        assert (name in started) == _live(windows, t), (name, t, windows)
        assert (name in refused) != (name in started)


@pytest.mark.parametrize("processes", [4])
async def test_users_items_never_cross(database: Database, database_url: str, processes: int) -> None:
    """Guarantees 2 and 3: one open wait a user, and every end is by an exception within its wait."""
    await House(database).live(ORIGINAL, {**ABANDONED}, since=None)
    await _together(database_url, *(("cross", "x" * (n + 1), 15) for n in range(processes)))
    async with database.read() as c:
        rows = (await c.execute(select(follow_ups))).all()
        times = {name: t for name, t in await c.execute(select(interactions.c.id, interactions.c.t))}
    assert len(times) == processes * 15 * 5
    open_waits = Counter(row.user_key for row in rows if row.state in OPEN_STATES)
    assert set(open_waits.values()) <= {1}
    excepted = [row for row in rows if row.state == "excepted"]
    assert excepted
    for row in excepted:
        assert row.triggered_at < times[row.exception_id]
        between = [t for name, t in times.items() if name.endswith(row.exception_id[-2:]) and row.triggered_at < t]
        assert min(between) <= times[row.exception_id]
