"""Databases of earlier versions, in which an erased user's id became `erased:` and a hash, on both databases."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from connector.store.engine.database import Database
from connector.store.engine.migrate import migrate
from connector.store.engine.transaction import Transaction
from connector.store.tables import decisions, deliveries, follow_ups, interactions, receipts, user_aliases, users
from connector.store.users.users import find_user_keys, load_users, resolve_and_lock
from tests.support.databases import open_database_at

BEFORE = "0010"
W = "default"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
FOLLOW_UP = {
    "id": "f1", "campaign": "c", "revision": 1, "window_id": 1, "key": "f1", "trigger_id": "order-17",
    "trigger": {"kind": "event", "topic": "erased", "properties": {}}, "triggered_at": NOW, "due_at": NOW,
    "next_at": NOW, "channels": ["email"], "state": "excepted", "exception_id": "payment-17", "created_at": NOW,
}  # fmt: skip


def old_mark(id: str) -> str:
    return f"erased:{hashlib.sha256(id.encode()).hexdigest()}"


@pytest.fixture
async def old(empty_database_url: str) -> AsyncIterator[Database]:
    """A database of the version before, of each kind in turn."""
    async with open_database_at(BEFORE, empty_database_url) as database:
        yield database


async def _add(tx: Transaction, table: Table, **values: Any) -> None:
    await tx.execute(insert(table).values(workspace=W, **values))


async def _add_user(tx: Transaction, id: str, key: str, **described: Any) -> None:
    bare = {"push_tokens": [], "attributes": {}, "consent": {}, "created_at": NOW}
    await _add(tx, users, user_key=key, **{**bare, **described})
    await _add(tx, user_aliases, external_id=id, user_key=key)


async def test_who_was_erased_stays_erased(old: Database) -> None:
    """By a mark in the new table; what the erasure had left of the person is deleted, and counts stay."""
    async with old.write(W) as tx:
        await _add_user(tx, old_mark("ada"), "k1", newest_t=NOW, email="written@back.test")
        await _add(tx, follow_ups, user_key="k1", **FOLLOW_UP)
        await _add(tx, receipts, campaign="c", user_key="k1", key='"order-17"', received_at=NOW)
        decided = {"campaign": "c", "key": '"order-17"', "interaction_id": "order-17", "state": "refused"}
        await _add(tx, decisions, user_key="k1", t=NOW, reason="duplicate", decided_at=NOW, **decided)
        sent = {"id": "f1.email", "follow_up_id": "f1", "campaign": "c", "channel": "email", "state": "sent"}
        await _add(tx, deliveries, user_key="k1", attempt=1, provider_id="<order-17@shop.test>", **sent)
    await migrate(old)
    async with old.write(W) as tx:
        assert await find_user_keys(tx, ["ada"]) == ({}, {"ada"})
        assert await resolve_and_lock(tx, ["ada"], NOW) == {}
        assert (await tx.execute(select(user_aliases))).all() == []
        assert await load_users(tx, ["k1"]) == {}
        tables = (users, follow_ups, receipts, decisions, deliveries)
        left = " ".join([repr(row) for table in tables for row in await tx.execute(select(table))])
        assert not [word for word in ("-17", "back.test") if word in left]
        assert [row.state for row in await tx.execute(select(follow_ups))] == ["excepted"]


async def test_a_forged_mark_stays_an_id(old: Database) -> None:
    """Bob is there, so he was not erased: whoever wrote his mark refuses him no longer. `erased:x` never was a mark."""
    async with old.write(W) as tx:
        await _add_user(tx, "bob", "k1", email="bob@shop.test")
        await _add_user(tx, old_mark("bob"), "k2")
        await _add_user(tx, "erased:x", "k3", email="x@shop.test")
        item = {"id": "e1", "kind": "event", "topic": "t", "properties": {}, "occurred_at": NOW, "received_at": NOW}
        await _add(tx, interactions, user_key="k2", day=NOW.date(), seq=1, t=NOW, **item)
    await migrate(old)
    async with old.write(W) as tx:
        known, erased = await find_user_keys(tx, ["bob", old_mark("bob"), "erased:x"])
        assert (known, erased) == ({"bob": "k1", old_mark("bob"): "k2", "erased:x": "k3"}, set())
        assert {one.user.email for one in (await load_users(tx, known.values())).values()} == {
            "bob@shop.test", None, "x@shop.test",
        }  # fmt: skip
        assert len((await tx.execute(select(interactions))).all()) == 1


async def test_who_was_joined_to_a_mark_stays(old: Database) -> None:
    """An alias of the mark of an erased user was another way back: the mark stays one, and the other id its user."""
    async with old.write(W) as tx:
        await _add_user(tx, old_mark("ada"), "k1", email="mallory@shop.test")
        await _add(tx, user_aliases, external_id="mallory", user_key="k1")
    await migrate(old)
    async with old.write(W) as tx:
        assert await find_user_keys(tx, ["ada", "mallory"]) == ({"mallory": "k1"}, {"ada"})
