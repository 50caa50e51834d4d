"""Every send and every batch reads the tables of users by key, however many users there are."""

from connector.rules.model.audit import Actor, ActorKind
from connector.rules.model.joining import IdPair, Joiner
from connector.store.engine.database import Database
from connector.store.users.joins import erase_joins, load_joins
from connector.store.users.linking import link_ids
from connector.store.users.log import load_items
from connector.store.users.splitting import split_id
from connector.store.users.users import find_user, load_users, raise_newest, resolve_and_lock
from tests.support.launch_harness import NOW
from tests.support.query_plans import explain, walks

W = "default"
JOINER = Joiner(Actor(ActorKind.KEY, "0123456789ab"), may_join_identified=False, route="alias")


async def test_no_statement_walks_through_all_users(sqlite_database: Database) -> None:
    """SQLite has no statistics: with another ORDER BY or join it would read every user of the workspace."""
    async with sqlite_database.write(W) as tx:
        with sqlite_database.count_statements() as count:
            keys = await resolve_and_lock(tx, ["a", "b"], NOW, anonymous=["a", "b"])
            await load_users(tx, keys.values())
            await find_user(tx, "a")
            await raise_newest(tx, dict.fromkeys(keys.values(), NOW))
            await load_items(tx, dict.fromkeys(keys.values(), NOW))
            assert await link_ids(tx, [IdPair("a", "b"), IdPair("b", "c")], JOINER, NOW) == ["linked", "identified"]
            await resolve_and_lock(tx, ["a"], NOW)
            assert await load_joins(tx, keys["b"])
            await split_id(tx, "a", NOW, None)
            await erase_joins(tx, keys["b"], ["a"])
        asked = [statement for statement in count.statements if statement.startswith(("SELECT", "UPDATE", "DELETE"))]
        steps = [step for statement in asked for step in await explain(tx, statement)]
    assert len(asked) >= 5
    assert [step for step in steps if walks(step) and "entries" not in step] == []
