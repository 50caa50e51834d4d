"""Erasing a user, on both databases (guarantee 8)."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select

from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.erasure import erase_user
from connector.store.tables import metadata
from connector.store.users.descriptions import save_user
from connector.store.users.users import UserErased, find_user
from tests.support.builders import ABANDONED, ORIGINAL, push
from tests.support.installation import Installation

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ADA = User(id="ada@example.com", email="ada@example.com", first_name="Ada", attributes={"secret": "s3cret"})


async def _everything(database: Database) -> str:
    async with database.read("default") as tx:
        return " ".join([repr(row) for table in metadata.sorted_tables for row in await tx.execute(select(table))])


async def test_erased_user_leaves_nothing_and_does_not_come_back(installation: Installation) -> None:
    """The follow-up ends as `erased`; no table has personal data; late reports and descriptions are refused."""
    await installation.publish(ORIGINAL, ABANDONED)
    async with installation.database.write("default") as tx:
        await save_user(tx, ADA, NOW)
    await installation.ingest(push("e1", 0, user=ADA.id, note="s3cret"))
    assert "s3cret" in await _everything(installation.database)
    async with installation.database.write("default") as tx:
        assert await erase_user(tx, ADA.id, NOW)
        assert not await erase_user(tx, ADA.id, NOW)
    assert [(state, why) for _, state, why in await installation.outcomes()] == [("dropped", "erased")]
    left = await _everything(installation.database)
    assert not [word for word in ("ada@", "Ada", "s3cret") if word in left]
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
