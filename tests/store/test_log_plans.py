"""What concerns some users or follow-ups costs what they have, however much all of them have, also on SQLite."""

from __future__ import annotations

from datetime import timedelta

from connector.rules.targeting.deduplication import Engagement
from connector.store.engine.database import Database
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import restart_waits
from connector.store.users.log import load_engagements, load_items, load_seen_dispatches
from tests.support.builders import ABANDONED, BASE, ORIGINAL, buy, push
from tests.support.installation import Installation
from tests.support.query_plans import explain
from tests.support.statements import listening_to

HORIZON = BASE - timedelta(days=90)


async def _ask(tx: Transaction) -> None:
    await load_items(tx, {"k": None}, topics=["make_purchase"], horizon=HORIZON)
    await load_seen_dispatches(tx, ["k"], ["d"], HORIZON)
    engagement = Engagement("open_email", "f", ("delivery", "d1.email"), "ses", BASE)
    await load_engagements(tx, ["k"], [engagement], HORIZON)


async def test_no_item_is_looked_for_in_all_that_was_received(sqlite_database: Database) -> None:
    """Of 1,000 items of one request each was compared with the whole log, because SQLite takes a range for few rows."""
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    asked: list[str] = []
    with listening_to("before_cursor_execute", lambda _c, _k, statement, *_: asked.append(statement)):
        await installation.ingest(push("p1", 1), push("p2", 3), buy("b", 2))
        await installation.ingest(push("late", 0))
        async with sqlite_database.write("default") as tx:
            await _ask(tx)
    of_log = [one for one in dict.fromkeys(asked) if "interactions" in one]
    assert any(one.startswith("INSERT INTO interactions") for one in of_log)
    assert len(of_log) >= 5
    async with sqlite_database.write("default") as tx:
        steps = {one: await explain(tx, one) for one in of_log}
    assert [one for one, plan in steps.items() if any("interactions_received" in step for step in plan)] == []


async def test_the_waits_of_a_turn_are_not_looked_for_among_all_that_are_due(sqlite_database: Database) -> None:
    """A launch restarts the waits of a hundred users at a time, while all others of it are due as well."""
    async with sqlite_database.write("default") as tx:
        with sqlite_database.count_statements() as count:
            await restart_waits(tx, ["a", "b"], BASE)
        [asked] = [one for one in count.statements if one.startswith("UPDATE follow_ups")]
        steps = await explain(tx, asked)
    assert not any("follow_ups_by_time" in step for step in steps)
