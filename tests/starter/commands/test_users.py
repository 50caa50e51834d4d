"""`connector users`: finds users by what an operator has at hand, and undoes a join."""

from __future__ import annotations

import asyncio
import getpass
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from connector.rules.model.audit import Actor, ActorKind
from connector.rules.model.joining import IdPair, Joiner
from connector.rules.model.users import User
from connector.store.engine.database import Database
from connector.store.users.descriptions import save_user
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
    assert join.undone_by in (getpass.getuser(), "env-1")  # over HTTP it is the key
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


async def test_find(connector: Connector, joined: Database) -> None:
    """By any id or an address: a table, or JSON; who is not there or was erased gives exit code 1 and a sentence."""
    async with joined.write(W) as tx:
        await save_user(tx, User(id="ann", email="Ann@Shop.test", phone="+49 170 1234567"), NOW)

    async def find(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(connector, "users", "find", *words)

    for text in ("ann", "visitor", "ann@shop.test", "+49 (170) 1234567"):
        code, out, err = await find(text, "--json")
        [found] = json.loads(out)["users"]
        assert (code, found["id"], found["ids"], err) == (0, "ann", ["ann", "visitor"], "")
    code, out, _ = await find("ann")
    assert (code, out.splitlines()[0].split()) == (0, [*_HEADS])
    assert await find("bob") == (1, "", "no user has the id or address bob\n")
    assert (await find("x" * 256))[::2] == (1, "text: write an id, an email or a phone number of 1 to 255 characters\n")
    assert (await asyncio.to_thread(connector, "users", "erase", "ann", "--yes"))[0] == 0
    assert await find("ann") == (1, "", "the user was erased\n")


async def test_show_and_history(connector: Connector, joined: Database) -> None:
    """A profile as YAML; what happened, consent included, as text or JSON; who is unknown is named."""

    async def users(*words: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(connector, "users", *words)

    code, out, _ = await users("show", "visitor", "--json")
    assert (code, json.loads(out)["joins"][0]["previous_id"]) == (0, "visitor")
    assert (await users("show", "ann"))[1].startswith("id: ann\n")
    code, out, _ = await users("history", "ann", "--json")
    assert (code, json.loads(out)["user"], json.loads(out)["entries"]) == (0, "ann", [])
    assert "nothing is known of what this user did" in (await users("history", "ann"))[1]
    async with joined.write(W) as tx:
        await save_user(tx, User(id="ann", consent={"push": "unsubscribed"}), NOW)
    [entry] = json.loads((await users("history", "ann", "--json"))[1])["entries"]
    [change] = json.loads((await users("show", "ann", "--json"))[1])["consent_history"]
    assert (entry["kind"], entry["consent"]) == ("consent", change)
    assert (
        f"{change['changed_at']}  push: nothing stated → unsubscribed, by a profile"
        in (await users("history", "ann"))[1].splitlines()
    )
    for command in ("show", "history"):
        code, _, err = await users(command, "bob")
        assert (code, "the user bob is not known" in err) == (1, True)


_HEADS = ("id", "user_key", "email", "phone", "first_name", "time_zone", "matched")
