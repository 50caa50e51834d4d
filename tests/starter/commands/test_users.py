"""`connector users split`: undoes a join from the command line."""

from __future__ import annotations

import asyncio
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.rules.model.audit import Actor, ActorKind
from connector.rules.model.joining import IdPair, Joiner
from connector.store.engine.database import Database
from connector.store.users.joins import load_joins
from connector.store.users.linking import link_ids
from connector.store.users.users import find_user_keys, resolve_and_lock
from tests.support.api import Connector

W = "default"
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SHOP = Joiner(Actor(ActorKind.KEY, "0123456789ab"), may_join_identified=False, route="alias")


@pytest.fixture
async def joined(sqlite_database: Database, data: Path) -> Database:
    """A database with a visitor's id that was joined into ann's user."""
    async with sqlite_database.write(W) as tx:
        await resolve_and_lock(tx, ["visitor"], NOW, anonymous=["visitor"])
        assert await link_ids(tx, [IdPair("visitor", "ann")], SHOP, NOW) == ["linked"]
    return sqlite_database


async def test_split(connector: Connector, joined: Database) -> None:
    """The id has a user of its own, and the record names who undid the join, which works once."""
    code, out, _ = await asyncio.to_thread(connector, "users", "split", "visitor", "--json")
    assert (code, json.loads(out)) == (0, {"id": "visitor", "split_from": "ann"})
    async with joined.read(W) as tx:
        keys, _ = await find_user_keys(tx, ["visitor", "ann"])
        (join,) = await load_joins(tx, keys["ann"])
    assert keys["visitor"] != keys["ann"]
    assert join.undone_at is not None
    assert join.undone_by == getpass.getuser()
    code, _, err = await asyncio.to_thread(connector, "users", "split", "visitor")
    assert (code, "the only id of its user" in err) == (1, True)


@pytest.mark.parametrize(
    ("id", "code", "fault"),
    [("ann", 1, "split off one that was joined: visitor"), ("unknown", 1, "is not known"), ("", 2, "write an id")],
)
def test_what_cannot_be_split(connector: Connector, joined: Database, id: str, code: int, fault: str) -> None:
    """The id in use, an unknown one, and what is no id."""
    exit_code, _, err = connector("users", "split", id)
    assert (exit_code, fault in " ".join(err.split())) == (code, True), err
