"""Erasing a user, on both databases (guarantee 8)."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, update

from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.erasure import EMPTY_DESCRIPTION, erase_user
from connector.store.follow_ups.texts import MessageText, save_texts
from connector.store.tables import deliveries, follow_ups, metadata, users
from connector.store.users.descriptions import save_user
from connector.store.users.users import UserErased, find_user, find_user_keys
from tests.support.builders import ABANDONED, ORIGINAL, PUSHED, follow_on, push
from tests.support.installation import Installation

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ADA = User(
    id="ada@example.com",
    email="ada@example.com",
    first_name="Ada",
    attributes={"secret": "s3cret"},
    consent={"push": "subscribed"},
)


async def _everything(database: Database) -> str:
    async with database.read("default") as tx:
        return " ".join([repr(row) for table in metadata.sorted_tables for row in await tx.execute(select(table))])


async def test_erased_user_leaves_nothing_and_does_not_come_back(installation: Installation) -> None:
    """The follow-up ends as `erased`; no table has personal data; late reports and descriptions are refused."""
    await installation.publish(ORIGINAL, ABANDONED)
    async with installation.database.write("default") as tx:
        await save_user(tx, ADA, NOW)
    await installation.ingest(push("e1", 0, user=ADA.id, note="s3cret"))
    async with installation.database.write("default") as tx:
        user_key = (await find_user_keys(tx, [ADA.id]))[0][ADA.id]
        await save_texts(tx, [MessageText("d", user_key, {"subject": "Ada"}, (), NOW)])
    assert "s3cret" in await _everything(installation.database)
    async with installation.database.write("default") as tx:
        assert await erase_user(tx, ADA.id, NOW)
        assert not await erase_user(tx, ADA.id, NOW)
    assert [(state, why) for _, state, why in await installation.outcomes()] == [("dropped", "erased")]
    left = await _everything(installation.database)
    assert not [word for word in ("ada@", "Ada", "s3cret", "subscribed") if word in left]
    [late] = await installation.ingest(push("e2", 1, user=ADA.id))
    assert (late.status, late.fault) == ("invalid", "erased: the user was erased")
    async with installation.database.write("default") as tx:
        assert await find_user(tx, ADA.id) is None
        with pytest.raises(UserErased):
            await save_user(tx, ADA, NOW)


async def test_erasing_an_unknown_user_returns_false(installation: Installation) -> None:
    """Nothing to erase, nothing left behind."""
    async with installation.database.write("default") as tx:
        assert not await erase_user(tx, "nobody", NOW)


async def test_no_id_can_be_guessed(installation: Installation) -> None:
    """An item without an id has one made of the user's, and a follow-up's is made of that; not so after an erasure."""
    await installation.publish(ORIGINAL, follow_on("at-once", PUSHED), ABANDONED)
    item = {name: value for name, value in push("", 0, user=ADA.id).items() if name != "id"}
    await installation.ingest(item)
    rows = {row.campaign: row for row in await installation.rows()}
    async with installation.database.write("default", lock="exclusive") as tx:
        ended = {"state": "sent", "started_at": NOW}
        await tx.execute(update(follow_ups).where(follow_ups.c.campaign == "at-once").values(ended))
        sent = {"id": f"{rows['at-once'].id}.push", "follow_up_id": rows["at-once"].id, "channel": "push"}
        bare = {"workspace": "default", "campaign": "at-once", "state": "sent", "attempt": 1}
        await tx.execute(insert(deliveries).values(**bare, **sent, user_key=rows["at-once"].user_key))
        await erase_user(tx, ADA.id, NOW)
        [message] = (await tx.execute(select(deliveries))).all()
    left = {row.campaign: row for row in await installation.rows()}
    assert left["at-once"].id != rows["at-once"].id
    assert (message.follow_up_id, message.id) == (left["at-once"].id, f"{left['at-once'].id}.push")
    assert left["f"].id == rows["f"].id, "its workflow is signalled by that id first"
    assert [(row.key, row.due_at, row.next_at) for row in left.values()] == [
        (row.id, row.triggered_at, row.triggered_at) for row in left.values()
    ], "due times are spread by a hash of the user's id"


def test_every_table_about_users_is_known() -> None:
    """A new table or column about users is written here, once the erasure deletes what it has of the person."""
    about_users = {name for name, table in metadata.tables.items() if "user_key" in table.c}
    assert about_users == {
        "users", "user_aliases", "user_joins", "interactions", "follow_ups", "deliveries", "receipts", "assignments",
        "decisions", "inbox", "inbox_marks", "dead_addresses", "consent_changes", "reached_users", "message_texts",
    }  # fmt: skip
    assert {column.name for column in users.c} - {"workspace", "user_key", "created_at"} == EMPTY_DESCRIPTION.keys()
