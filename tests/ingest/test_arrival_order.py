"""Whatever the order of arrival, a user's items have the outcome of the event order (T2, T3, T5, X1 to X3)."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings

from connector.store.engine.database import Database
from tests.support.builders import ORIGINAL, buy, follow_on, push
from tests.support.installation import Installation
from tests.support.user_histories import (
    BUY,
    DELAY,
    FOLLOW_ONS,
    OPEN,
    PUSH,
    PUSHED,
    SEE,
    Done,
    as_items,
    draw_batches,
    in_order,
    load_outcomes,
    new_user,
)

_FOUND: list[list[list[Done]]] = [  # these once failed: an overtaken wait came to life again
    [[(2, SEE, "A")], [(1, PUSH, "B"), (9, OPEN, "B")], [(7, SEE, "B")]],
    [[(2, PUSH, "A")], [(1, PUSH, "B")], [(5, BUY, "A")], [(4, PUSH, "A")]],
]


async def _take_in(installation: Installation, batches: Sequence[Sequence[Done]]) -> set[tuple[Any, ...]]:
    user = new_user()
    for batch in batches:
        assert {result.status for result in await installation.ingest(*as_items(user, batch))} == {"accepted"}
    return await load_outcomes(installation.database, user)


async def test_order_of_arrival_changes_nothing(sqlite_database: Database) -> None:
    """T5: a late interaction gives what would have come of it in order."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, *FOLLOW_ONS)
    drawn = list(_FOUND)

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(draw_batches())
    def draw(batches: list[list[Done]]) -> None:
        drawn.append(batches)

    draw()
    for batches in drawn:
        expected = await _take_in(installation, in_order(batches))
        assert await _take_in(installation, batches) == expected, batches


async def test_two_triggers_at_one_instant_that_are_exceptions_too(sqlite_database: Database) -> None:
    """T3, X2: the second restarts the wait, and the first, whose wait it was, does not call it off."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, follow_on("f", PUSHED, **DELAY, exceptions=[PUSHED]))
    await installation.ingest(push("e1", 0))
    await installation.ingest(push("e2", 0))
    assert sorted(await installation.outcomes()) == [("e1", "dropped", "superseded"), ("e2", "waiting", None)]


async def test_late_item_leaves_later_ends_as_they_are_after_a_stop(sqlite_database: Database) -> None:
    """P2, T5: what was evaluated while the follow-on was live is not refused later because it is stopped now."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, FOLLOW_ONS[0])
    for item in (push("e1", 0), buy("b1", 10), push("e2", 20), buy("b2", 30)):
        await installation.ingest(item)
    await installation.order("stop", "ignores")
    await installation.ingest(buy("b0", 5))
    assert await installation.outcomes() == [("e1", "excepted", "b0"), ("e2", "excepted", "b2")]
