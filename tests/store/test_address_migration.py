"""Databases of earlier versions, in which addresses were stored as they were given, on both databases."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from connector.store.engine.database import Database
from connector.store.engine.mark_secrets import make_mark
from connector.store.engine.migrate import migrate
from connector.store.provider_events.attribution import find_holders
from connector.store.tables import dead_addresses, erased_users, user_aliases, users
from connector.store.users.marks import find_erased
from connector.store.users.users import load_users
from tests.support.databases import open_database_at

BEFORE = "0014"
W = "default"
NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture
async def old(empty_database_url: str) -> AsyncIterator[Database]:
    """A database of the version before, of each kind in turn."""
    async with open_database_at(BEFORE, empty_database_url) as database:
        yield database


async def test_stored_addresses_are_found_under_every_spelling(old: Database) -> None:
    """Users, suppressed addresses and marks of before are found by the canonical form; the newer statement holds."""
    described: list[dict[str, Any]] = [
        {"user_key": "k1", "email": "Ada@BÜCHER.example", "phone": "+49 (0)151 1234567"},
        {"user_key": "k2", "email": "ben@ｓｈｏｐ.example", "phone": "0151 123"},
        {"user_key": "k3", "email": "nonsense", "phone": None},
    ]
    bare = {"workspace": W, "push_tokens": [], "attributes": {}, "consent": {}, "created_at": NOW}
    dead = [
        {"address": "ada@bücher.example", "dead": True, "said_at": NOW},
        {"address": "ada@xn--bcher-kva.example", "dead": False, "said_at": NOW - timedelta(days=1)},
        {"address": "ben@ｓｈｏｐ.example", "dead": True, "said_at": NOW - timedelta(days=1)},
        {"address": "ben@shop.example", "dead": False, "said_at": NOW},
    ]
    async with old.write(W) as tx:
        await tx.execute(insert(users), [{**bare, **row} for row in described])
        for row in described:
            key = row["user_key"]
            await tx.execute(insert(user_aliases).values(workspace=W, external_id=f"u-{key}", user_key=key))
        await tx.execute(insert(dead_addresses), [{"workspace": W, "channel": "email", **row} for row in dead])
        secret = (await tx.mark_secrets.load(tx.connection))[0]
        mark = make_mark(secret, "email:eve@bücher.example")
        await tx.execute(insert(erased_users).values(workspace=W, mark=mark, erased_at=NOW))
    await migrate(old)
    async with old.write(W) as tx:
        loaded = await load_users(tx, ["k1", "k2", "k3"])
        assert [(one.user.email, one.user.phone) for _, one in sorted(loaded.items())] == [
            ("Ada@xn--bcher-kva.example", "+491511234567"),
            ("ben@shop.example", "0151 123"),
            ("nonsense", None),
        ]
        assert {key: set(one.unreachable) for key, one in loaded.items()} == {"k1": {"email"}, "k2": set(), "k3": set()}
        assert len((await tx.execute(select(dead_addresses))).all()) == 2
        for spelling in ("ada@bücher.example", "ADA@XN--BCHER-KVA.example", "ada@bücher。example."):
            assert list((await find_holders(tx, "email", [spelling])).values()) == [["u-k1"]]
        assert list((await find_holders(tx, "sms", ["+49 151-1234567"])).values()) == [["u-k1"]]
        _, erased = await find_erased(tx, (), [("email", "Eve@xn--bcher-kva.example")])
        assert erased == {("email", "eve@xn--bcher-kva.example")}
