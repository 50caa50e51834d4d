"""Whatever order a user's items arrive in, the same comes of them as in event order (T2, T3, T5, X1 to X3)."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from connector.store.database import Database
from connector.store.tables import decisions, follow_ups, user_aliases
from tests.house import ORIGINAL, House, at, buy, follow_on, push

PUSHED = {"interaction": "receive_push", "campaign": "o"}
OPENED = {"interaction": "open_push", "campaign": "o"}
BOUGHT = {"event": "make_purchase"}
SEEN = {"event": "seen"}
DELAY: dict[str, Any] = {"delay": {"after": "12 hours"}, "eligible_again": "always"}
FOLLOW_ONS = [
    follow_on("ignores", PUSHED, **DELAY, exceptions=[BOUGHT, OPENED]),
    follow_on("restarts", PUSHED, **DELAY, exceptions=[BOUGHT, OPENED], retrigger="restart"),
    follow_on("debounces", SEEN, **DELAY, exceptions=[SEEN, BOUGHT]),
    follow_on("either", [SEEN, PUSHED], **DELAY, exceptions=[PUSHED]),
    follow_on("keyed", SEEN, **DELAY, key="properties.sku", exceptions=[{**BOUGHT, "same": ["sku"]}]),
    follow_on("keyed-restarts", SEEN, **DELAY, key="properties.sku", exceptions=[BOUGHT], retrigger="restart"),
]
KINDS: list[dict[str, Any]] = [
    {"type": "receive_push", "campaign": "o"},
    {"type": "open_push", "campaign": "o"},
    {"type": "make_purchase"},
    {"type": "event", "name": "seen"},
]
_PUSH, _OPEN, _BUY, _SEEN = KINDS
_FOUND = [  # these once failed: an overtaken wait came to life again
    [[(2, _SEEN, "A")], [(1, _PUSH, "B"), (9, _OPEN, "B")], [(7, _SEEN, "B")]],
    [[(2, _PUSH, "A")], [(1, _PUSH, "B")], [(5, _BUY, "A")], [(4, _PUSH, "A")]],
]
_users = count()


@st.composite
def _arrivals(draw: st.DrawFn) -> list[list[tuple[int, dict[str, Any], str]]]:
    """Batches of (minute, kind, sku), each minute once, in an order of arrival of their own."""
    minutes = draw(st.lists(st.integers(0, 60), min_size=2, max_size=7, unique=True))
    items = [(n, draw(st.sampled_from(KINDS)), draw(st.sampled_from("AB"))) for n in minutes]
    cuts = [draw(st.booleans()) for _ in items]
    batches: list[list[tuple[int, dict[str, Any], str]]] = [[]]
    for item, cut in zip(items, cuts, strict=True):
        if cut and batches[-1]:
            batches.append([])
        batches[-1].append(item)
    return batches


async def _came_of(
    house: House, batches: Sequence[Sequence[tuple[int, dict[str, Any], str]]]
) -> tuple[set[tuple[Any, ...]], set[tuple[Any, ...]]]:
    """What became of the triggers that began something, and those that came late and were refused as overtaken."""
    user = f"u{next(_users)}"
    for batch in batches:
        items = [
            kind | {"id": f"{user}-{n}", "user": user, "occurred_at": at(n), "properties": {"sku": sku}}
            for n, kind, sku in batch
        ]
        assert {result.status for result in await house.take_in(*items)} == {"accepted"}
    alias, table = user_aliases.c, follow_ups.c
    key = select(alias.user_key).where(alias.external_id == user).scalar_subquery()
    async with house.database.read() as c:
        rows = (await c.execute(select(follow_ups).where(table.user_key == key))).all()
        told = (await c.execute(select(decisions).where(decisions.c.user_key == key))).all()
    number = len(user) + 1
    ends = {
        (row.campaign, row.key, row.trigger_id[number:], row.state, (row.exception_id or "")[number:])
        for row in rows
        if row.reason != "superseded"
    }
    overtaken = {(row.campaign, row.key, row.interaction_id[number:]) for row in told if row.reason == "superseded"}
    return ends, overtaken


async def test_order_of_arrival_changes_nothing(sqlite_database: Database) -> None:
    """T5: a late interaction gives what would have come of it in order."""
    house = House(sqlite_database)
    await house.live(ORIGINAL, *FOLLOW_ONS)
    drawn: list[Any] = list(_FOUND)

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(_arrivals())
    def draw(batches: Any) -> None:
        drawn.append(batches)

    draw()
    for batches in drawn:
        in_order = [[item] for item in sorted((i for batch in batches for i in batch), key=lambda i: i[0])]
        came, overtaken = await _came_of(house, batches)
        expected, _ = await _came_of(house, in_order)
        assert came <= expected, batches
        assert {end[:3] for end in expected - came} <= overtaken, batches


async def test_two_triggers_at_one_instant_that_are_exceptions_too(sqlite_database: Database) -> None:
    """T3, X2: the second restarts the wait, and the first, whose wait it was, does not call it off."""
    house = House(sqlite_database)
    await house.live(ORIGINAL, follow_on("f", PUSHED, **DELAY, exceptions=[PUSHED]))
    await house.take_in(push("e1", 0))
    await house.take_in(push("e2", 0))
    assert sorted(await house.outcomes()) == [("e1", "dropped", "superseded"), ("e2", "waiting", None)]


async def test_late_item_leaves_later_ends_as_they_are_after_a_stop(sqlite_database: Database) -> None:
    """P2, T5: what was judged while the follow-on was live is not refused afterwards, since it is stopped now."""
    house = House(sqlite_database)
    await house.live(ORIGINAL, FOLLOW_ONS[0])
    for item in (push("e1", 0), buy("b1", 10), push("e2", 20), buy("b2", 30)):
        await house.take_in(item)
    await house.order("stop", "ignores")
    await house.take_in(buy("b0", 5))
    assert await house.outcomes() == [("e1", "excepted", "b0"), ("e2", "excepted", "b2")]
