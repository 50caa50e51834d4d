"""The stored keys as the API knows them: how often they are read, and what holds when."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from connector.rules.model.api_keys import PresentedKey, Scope, parse_key
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.engine.transaction import Transaction
from connector.store.tables import keys
from connector.store.users.api_keys import LiveKey, LiveKeys, load_live_keys
from starter.api.access import key_cache as key_ring
from starter.api.access.key_cache import ApiKeyCache
from starter.operations.api_keys import ApiKeyService, create_key
from tests.support.actors import OPERATOR
from tests.support.api import Clock

W = "default"


class Ring:
    """A ring on a clock of its own, and the desk where its keys are made."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, Clock()
        self.desk, self.ring = ApiKeyService(database, W, OPERATOR), ApiKeyCache(database, W, clock=self.clock)

    async def make(self, lifetime: timedelta | None = None) -> PresentedKey:
        return given((await self.desk.create("shop", [Scope.INGEST], lifetime=lifetime)).secret.text)

    async def knows(self, key: PresentedKey) -> bool:
        return await self.ring.find(key) is not None

    async def statements(self, *asked: Any) -> int:
        """How many statements these cost, asked at once."""
        with self.database.count_statements() as count:
            await asyncio.gather(*asked)
        return sum("FROM keys" in statement for statement in count.statements)


def given(text: str) -> PresentedKey:
    key = parse_key(text)
    assert key is not None
    return key


@pytest.fixture
def ring(database: Database) -> Ring:
    return Ring(database)


async def test_no_statement_a_request(ring: Ring) -> None:
    """However many ask, and at once: one statement in a second."""
    key = await ring.make()
    for _ in range(3):
        assert await ring.statements(*(ring.knows(key) for _ in range(50))) == 1
        ring.clock.now += 0.99
        assert await ring.statements(*(ring.knows(key) for _ in range(50))) == 0
        ring.clock.now += 0.01


async def test_made_up_ids_cause_ten_statements_a_second_at_most(ring: Ring) -> None:
    """So that nobody without a key can keep the database busy; keys that are known cause none meanwhile."""
    key = await ring.make()
    assert await ring.statements(ring.knows(key)) == 1
    asked = 0
    for _ in range(100):
        ring.clock.now += 0.01
        strangers = [ring.knows(given(create_key().text)) for _ in range(5)]
        asked += await ring.statements(*strangers, ring.knows(key))
    assert 9 <= asked <= 11


async def test_a_new_key_is_known_at_once(ring: Ring) -> None:
    """Its id is unknown, so the keys are read again, though that was just done."""
    assert not await ring.knows(given(create_key().text))
    key = await ring.make()
    ring.clock.now += 0.001
    assert await ring.statements(*(ring.knows(key) for _ in range(50))) == 1
    assert await ring.knows(key)


async def test_a_revoked_key_is_refused_within_a_second(ring: Ring) -> None:
    """Not before the keys are read again, and not after."""
    key = await ring.make()
    assert await ring.knows(key)
    await ring.desk.revoke(key.id)
    assert await ring.knows(key)
    ring.clock.now += 1
    assert not await ring.knows(key)


async def test_a_wrong_secret_of_a_known_id(ring: Ring) -> None:
    """The id alone is nothing."""
    key = await ring.make()
    assert await ring.knows(key)
    assert not await ring.knows(PresentedKey(key.id, given(create_key().text).digest))


async def test_keys_of_another_workspace(database: Database, ring: Ring) -> None:
    """They are valid there only."""
    theirs = given((await ApiKeyService(database, "other", OPERATOR).create("shop", [Scope.READ])).secret.text)
    assert not await ring.knows(theirs)
    assert await ring.ring.is_empty()


async def test_a_key_expires_to_the_moment(ring: Ring) -> None:
    """By the database's clock as it was when the keys were read, and the time since: also between two readings."""
    await ring.make()
    key = await ring.make(timedelta(hours=1))
    assert await ring.knows(key)
    ring.ring._tried_at = ring.clock.now + 5000  # nothing is read again
    ring.clock.now += 3590
    assert await ring.knows(key)
    ring.clock.now += 11
    assert not await ring.knows(key)


async def test_an_expired_key_does_not_count_as_one(ring: Ring) -> None:
    """Whoever looks whether there are keys at all is told of those that hold."""
    assert await ring.ring.is_empty()
    ring.clock.now += 1
    await ring.make(timedelta(seconds=0))
    assert await ring.ring.is_empty()
    ring.clock.now += 1
    await ring.make()
    assert not await ring.ring.is_empty()


async def test_what_was_known_holds_while_the_database_is_away(
    postgresql_database: Database, postgresql_server: Any, postgresql_url: str
) -> None:
    """A key goes on, a stranger is a stranger, an end is an end; after another second it is tried again."""
    ring = Ring(postgresql_database)
    key, ending = await ring.make(), await ring.make(timedelta(seconds=90))
    assert await ring.knows(key)
    postgresql_server.drop(postgresql_url.partition("?")[0].rpartition("/")[2])
    for _ in range(3):
        ring.clock.now += 1
        assert (await ring.knows(key), await ring.knows(ending), await ring.knows(given(create_key().text))) == (
            True,
            True,
            False,
        )
    ring.clock.now += 90
    assert (await ring.knows(key), await ring.knows(ending)) == (True, False)


async def test_without_the_database_from_the_beginning_nothing_can_be_said() -> None:
    """Neither yes nor no: 503 for whoever asks."""
    database = Database.open("postgresql://nobody@127.0.0.1:1/nowhere")
    ring = Ring(database)
    for asked in (ring.ring.is_empty(), ring.knows(given(create_key().text))):
        with pytest.raises(StoreUnavailable):
            await asked
    await database.close()


async def test_a_database_that_hangs_is_not_waited_for(
    postgresql_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was known goes on after a moment, and again when the database answers."""
    monkeypatch.setattr(key_ring, "_TIMEOUT_SECONDS", 0.05)
    ring = Ring(postgresql_database)
    key = await ring.make()
    assert await ring.knows(key)
    async with postgresql_database.write(W, lock="exclusive") as tx:
        await tx.connection.exec_driver_sql("LOCK TABLE keys IN ACCESS EXCLUSIVE MODE")
        ring.clock.now += 1
        async with asyncio.timeout(10):
            assert await ring.knows(key)
    await ring.desk.revoke(key.id)
    ring.clock.now += 1
    assert not await ring.knows(key)


async def test_a_slow_reading_serves_all_who_waited(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who came while the database was slow do not ask one after the other."""
    key = await ring.make()

    async def slow(tx: Transaction) -> LiveKeys:
        await asyncio.sleep(0)  # the others ask meanwhile
        ring.clock.now += 5
        return await load_live_keys(tx)

    monkeypatch.setattr(key_ring, "load_live_keys", slow)
    assert await ring.statements(*(ring.knows(key) for _ in range(50))) == 1


async def test_scopes_of_a_later_version_are_left_out(database: Database, ring: Ring) -> None:
    """A key that may do more than this version knows may do what it knows."""
    key = await ring.make()
    async with database.write(W) as tx:
        await tx.execute(keys.update().values(scopes=["fly", "read"]))
    found = await ring.ring.find(key)
    assert isinstance(found, LiveKey)
    assert found.scopes == {Scope.READ}
