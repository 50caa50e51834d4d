"""Every send and every batch reads the tables of users by key, however many users there are."""

from connector.store.engine.database import Database
from connector.store.users.linking import link_ids
from connector.store.users.log import load_items
from connector.store.users.users import find_user, load_users, raise_newest, resolve_and_lock
from tests.support.launch_harness import NOW
from tests.support.query_plans import explain, walks

W = "default"


async def test_no_statement_walks_through_all_users(sqlite_database: Database) -> None:
    """SQLite has no statistics: with another ORDER BY or join it would read every user of the workspace."""
    async with sqlite_database.write(W) as tx:
        with sqlite_database.count_statements() as count:
            keys = await resolve_and_lock(tx, ["a", "b"], NOW)
            await load_users(tx, keys.values())
            await find_user(tx, "a")
            await raise_newest(tx, dict.fromkeys(keys.values(), NOW))
            await load_items(tx, dict.fromkeys(keys.values(), NOW))
            assert await link_ids(tx, [("a", "b"), ("b", "c")], NOW) == ["linked", "linked"]
        asked = [statement for statement in count.statements if statement.startswith(("SELECT", "UPDATE", "DELETE"))]
        steps = [step for statement in asked for step in await explain(tx, statement)]
    assert len(asked) >= 5
    assert [step for step in steps if walks(step) and "entries" not in step] == []
