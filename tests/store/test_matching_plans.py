"""Matching providers' events uses indexes, however many users and messages there are, on both databases."""

from __future__ import annotations

from typing import Any

from sqlalchemy import insert, text

from connector.rules.provider_events.attribution import Unmatched
from connector.rules.provider_events.events import identify_event
from connector.rules.targeting.deduplication import Engagement
from connector.store.engine.database import Database, database_now
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.deliveries import load_deliveries_by_id, save_faults
from connector.store.provider_events.attribution import find_by_provider, find_holders
from connector.store.provider_events.events import (
    apply_statements,
    erase_events,
    load_unmatched,
    mark_applied,
    save_unmatched,
)
from connector.store.tables import deliveries, user_aliases, users
from connector.store.users.log import load_engagements
from connector.store.users.marks import find_erased
from connector.store.users.suppressions import erase_addresses, find_reported_addresses
from tests.support.launch_harness import NOW
from tests.support.provider_event_harness import UNMATCHED_EVENTS
from tests.support.query_plans import explain, walks
from tests.support.statements import listening_to

W = "default"
ADDRESSES = {("email", "ada@shop.test"), ("sms", "+491701")}


async def _ask(tx: Transaction) -> None:
    """Everything that a batch of events reads and writes, and erasing a user."""
    await load_deliveries_by_id(tx, ["d1.email"])
    await find_by_provider(tx, ["<d1@shop.test>"])
    await find_erased(tx, ["a"], [("email", "ada@shop.test")])
    await find_holders(tx, "email", ["ada@shop.test"])
    await find_holders(tx, "sms", ["+491701"])
    await load_engagements(tx, ["k"], [Engagement("open_email", "f", ("delivery", "d1.email"), "ses", NOW)], NOW)
    await mark_applied(tx, [identify_event(UNMATCHED_EVENTS[0][0])], NOW)
    await apply_statements(tx, {"k": []}, NOW)
    await save_faults(tx, {"d1.email": "ses_bounced"})
    await load_unmatched(tx, limit=10)
    await find_reported_addresses(tx, "k")
    await erase_addresses(tx, "k", ADDRESSES)
    await erase_events(tx, ["a"], ADDRESSES)


async def test_no_statement_scans_a_table_on_sqlite(sqlite_database: Database) -> None:
    """SQLite has no statistics: with another ORDER BY, join or OR it would read all users."""
    async with sqlite_database.write(W) as tx:
        with sqlite_database.count_statements() as count:
            await _ask(tx)
        asked = [statement for statement in count.statements if not statement.startswith(("BEGIN", "INSERT"))]
        steps = {statement: await explain(tx, statement) for statement in asked}
    assert len(asked) >= 9
    assert {statement: plan for statement, plan in steps.items() if any(map(walks, plan))} == {}


async def test_addresses_are_found_by_index_on_postgresql(postgresql_database: Database) -> None:
    """Among 20,000 users and as many messages."""
    async with postgresql_database.write(W, seconds=60) as tx:
        now = await database_now(tx)
        bare = {"workspace": W, "attributes": {}, "consent": {}, "created_at": now, "push_tokens": []}
        some = [{**bare, "user_key": f"k{n}", "email": f"U{n}@shop.test", "phone": f"+49 {n}"} for n in range(20_000)]
        await tx.execute(insert(users), some)
        alias = [{"workspace": W, "external_id": f"u{n}", "user_key": f"k{n}"} for n in range(20_000)]
        await tx.execute(insert(user_aliases), alias)
        sent = {"workspace": W, "campaign": "f", "state": "sent", "attempt": 1, "channel": "email"}
        ids = [{"id": f"d{n}.email", "follow_up_id": f"d{n}", "user_key": f"k{n}"} for n in range(20_000)]
        await tx.execute(insert(deliveries), [{**sent, **id, "provider_id": f"<{id['id']}@s.test>"} for id in ids])
        await tx.execute(text("ANALYZE"))
        assert await find_holders(tx, "email", ["u77@SHOP.test"]) == {("email", "u77@shop.test"): ["u77"]}
        assert await find_holders(tx, "sms", ["+49-78"]) == {("sms", "+4978"): ["u78"]}
        assert (await find_by_provider(tx, ["<d5.email@s.test>"]))["<d5.email@s.test>"].user == "u5"
        asked: list[tuple[str, Any]] = []
        with listening_to(
            "before_cursor_execute",
            lambda _c, _cursor, statement, parameters, *_: asked.append((statement, parameters)),
        ):
            await find_holders(tx, "email", ["u77@SHOP.test"])
            await find_holders(tx, "sms", ["+49-78"])
            await find_by_provider(tx, ["<d5.email@s.test>"])
        plans = [await _explain(tx, statement, parameters) for statement, parameters in asked]
    assert len(plans) == 5
    assert [plan for plan in plans if "Seq Scan" in plan] == []


async def _explain(tx: Transaction, statement: str, parameters: Any) -> str:
    return "\n".join((await tx.connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)).scalars())


async def test_an_unmatched_event_is_kept_once_under_concurrency(database: Database) -> None:
    """The unique key holds; nothing is stored twice."""
    kept = {("sendgrid", event.id): (event, Unmatched(reason)) for event, reason in UNMATCHED_EVENTS}
    for expected in (len(UNMATCHED_EVENTS), 0):
        async with database.write(W) as tx:
            assert len(await save_unmatched(tx, kept, NOW)) == expected
