"""Marks of erased users under the secret of the database and under a configured one, on both databases."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

from sqlalchemy import select

from connector.store.engine.database import Database
from connector.store.engine.mark_secrets import make_mark
from connector.store.tables import erased_users, erasure_secret
from connector.store.users.marks import find_erased, mark_erased
from connector.store.users.users import resolve_and_lock

W = "default"
NOW = datetime(2026, 3, 2, tzinfo=UTC)
SECRET = "a configured secret of the tests"
EMAIL, SMS = ("email", "Ada@Shop.test"), ("sms", "+49 (170) 1")


async def test_a_mark_is_keyed(database: Database) -> None:
    """HMAC-SHA256 with 32 random bytes over the hash of the id, by which earlier versions knew erased users."""
    async with database.write(W) as tx:
        await mark_erased(tx, ["ada"], [], NOW)
        [secret] = (await tx.execute(select(erasure_secret.c.secret))).scalars()
        [mark] = (await tx.execute(select(erased_users.c.mark))).scalars()
    text = hashlib.sha256(b"ada").hexdigest()
    assert mark == hmac.new(bytes.fromhex(secret), text.encode(), "sha256").hexdigest()
    assert len(bytes.fromhex(secret)) == 32


async def test_ids_and_addresses_are_apart(database: Database) -> None:
    """Addresses are found in any spelling; an id that reads like an address, or like a mark's text, is another one."""
    async with database.write(W) as tx:
        await mark_erased(tx, ["ada"], [EMAIL, SMS], NOW)
        await mark_erased(tx, ["ada"], [EMAIL], NOW)
        asked = [("email", "ADA@shop.TEST"), ("sms", "+491701"), ("sms", "ada@shop.test"), ("email", "bob@shop.test")]
        ids = ["ada", "email:ada@shop.test", hashlib.sha256(b"ada").hexdigest(), "Ada"]
        assert await find_erased(tx, ids, asked) == ({"ada"}, {("email", "ada@shop.test"), ("sms", "+491701")})
        assert await resolve_and_lock(tx, ["ada"], NOW) == {}
        assert (await resolve_and_lock(tx, ["email:ada@shop.test"], NOW)).keys() == {"email:ada@shop.test"}
    async with database.read("another") as tx:
        assert await find_erased(tx, ["ada"], asked) == (set(), set())


async def test_a_secret_that_is_configured_later(database: Database, database_url: str) -> None:
    """Marks of before still count; new ones are made with it alone, so that the database does not tell them."""
    async with database.write(W) as tx:
        await mark_erased(tx, ["before"], [], NOW)
    configured = Database.open(database_url, erasure_secret=SECRET)
    try:
        async with configured.write(W) as tx:
            await mark_erased(tx, ["after"], [], NOW)
            assert (await find_erased(tx, ["before", "after", "never"], []))[0] == {"before", "after"}
            assert await resolve_and_lock(tx, ["before", "after"], NOW) == {}
            marks = set((await tx.execute(select(erased_users.c.mark))).scalars())
    finally:
        await configured.close()
    assert make_mark(SECRET.encode(), hashlib.sha256(b"after").hexdigest()) in marks
    async with database.read(W) as tx:
        assert (await find_erased(tx, ["before", "after"], []))[0] == {"before"}
