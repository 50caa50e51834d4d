"""API keys: their form, and the table of their hashes, on both databases."""

import asyncio
import hashlib
from datetime import timedelta

import pytest
from sqlalchemy import select

from connector.rules.model.api_keys import Key, KeyState, PresentedKey, Scope, has_secret, parse_key
from connector.store.engine.database import Database
from connector.store.tables import keys
from connector.store.users.api_keys import LiveKeys, load_live_keys
from starter.operations.api_keys import ApiKeyService, IssuedKey, KeyEnded, KeyUnknown, create_key
from tests.support.actors import OPERATOR

W = "default"
SECRET = "A" * 43
HOUR = timedelta(hours=1)


@pytest.fixture
def desk(database: Database) -> ApiKeyService:
    return ApiKeyService(database, W, OPERATOR)


async def live(database: Database, workspace: str = W) -> LiveKeys:
    async with database.read(workspace) as tx:
        return await load_live_keys(tx)


async def ids(database: Database) -> set[str]:
    return set((await live(database)).by_id)


async def shop(desk: ApiKeyService, lifetime: timedelta | None = None) -> IssuedKey:
    return await desk.create("shop", [Scope.INGEST, Scope.READ], rate=50, lifetime=lifetime)


async def one(desk: ApiKeyService, id: str) -> tuple[Key, KeyState]:
    listed, now = await desk.list_keys()
    found = {key.id: key for key in listed}[id]
    return found, found.state_at(now)


def test_a_key_has_256_random_bits_and_its_own_form() -> None:
    """`ck_{12 hexadecimal digits}_{43 characters}`; no two are the same, and `repr` does not show it."""
    made = [create_key() for _ in range(100)]
    assert len({key.text for key in made}) == len({key.id for key in made}) == 100
    for key in made:
        assert parse_key(key.text) == PresentedKey(key.id, key.digest)
        assert key.digest == hashlib.sha256(key.text.rpartition(f"ck_{key.id}_")[2].encode()).hexdigest()
        assert key.text not in repr(key)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ck_",
        f"ck_0123456789ab{SECRET}",
        f"ck_0123456789a_{SECRET}",
        f"ck_0123456789abc_{SECRET}",
        f"ck_0123456789AB_{SECRET}",
        f"ck_0123456789ag_{SECRET}",
        f"ck_0123456789ab_{SECRET[1:]}",
        f"ck_0123456789ab_{SECRET}A",
        f"ck_0123456789ab_{SECRET[1:]}=",
        f"ck_0123456789ab_{SECRET[1:]}é",
        f"CK_0123456789ab_{SECRET}",
        f" ck_0123456789ab_{SECRET}",
        f"ck_0123456789ab_{SECRET}\n",
        f"ck_٠123456789ab_{SECRET}",
    ],
)
def test_nothing_else_is_a_key(text: str) -> None:
    """No spaces, and no other digits, letters or lengths."""
    assert parse_key(text) is None


def test_secrets_are_compared_whole() -> None:
    """Only the same secret matches; without a stored digest, no secret does."""
    made = create_key()
    given = parse_key(made.text)
    assert given is not None
    assert has_secret(given, made.digest)
    assert not has_secret(given, create_key().digest)
    assert not has_secret(given, None)
    assert not has_secret(PresentedKey(made.id, "0" * 64), None)


async def test_a_key_is_stored_by_its_hash(database: Database, desk: ApiKeyService) -> None:
    """The row does not contain the secret; one statement reads all valid keys of a workspace."""
    issued = [await shop(desk) for _ in range(3)]
    with database.count_statements() as count:
        found = await live(database)
    assert sum("FROM keys" in statement for statement in count.statements) == 1
    assert [statement for statement in count.statements if not statement.startswith("BEGIN")] == count.statements[-1:]
    assert set(found.by_id) == {one.key.id for one in issued}
    kept = found.by_id[issued[0].key.id]
    assert (kept.digest, kept.scopes, kept.rate) == (issued[0].secret.digest, {Scope.INGEST, Scope.READ}, 50)
    async with database.read(W) as tx:
        rows = (await tx.execute(select(keys))).all()
    assert not any(one.secret.text[-43:] in str(row) for one in issued for row in rows)
    assert (await live(database, "other")).by_id == {}
    assert (await ApiKeyService(database, "other", OPERATOR).list_keys())[0] == []


async def test_the_four_states(database: Database, desk: ApiKeyService) -> None:
    """Only keys that are neither revoked nor expired are live; listings show all, oldest first."""
    active, expires, expired, revoked = [await shop(desk, life) for life in (None, HOUR, timedelta(0), HOUR)]
    await desk.revoke(revoked.key.id)
    listed, now = await desk.list_keys()
    assert [(key.id, key.state_at(now).value) for key in listed] == [
        (active.key.id, "active"),
        (expires.key.id, "expires"),
        (expired.key.id, "expired"),
        (revoked.key.id, "revoked"),
    ]
    assert await ids(database) == {active.key.id, expires.key.id}
    assert (await live(database)).by_id[expires.key.id].expires_at == expires.key.expires_at


async def test_revoking_again_changes_nothing(desk: ApiKeyService) -> None:
    """The time of the first revocation is kept."""
    issued = await shop(desk)
    first = await desk.revoke(issued.key.id)
    assert first.revoked_at is not None
    assert await desk.revoke(issued.key.id) == first


async def test_rotating_creates_an_equal_key(database: Database, desk: ApiKeyService) -> None:
    """Same name, scopes, rate and lifetime, another id and secret; the old one is valid during the overlap."""
    old = await shop(desk, timedelta(days=90))
    new = await desk.rotate(old.key.id, overlap=HOUR)
    assert (new.key.name, new.key.scopes, new.key.rate) == (old.key.name, old.key.scopes, old.key.rate)
    assert new.key.lifetime == old.key.lifetime
    assert new.key.expires_at == new.key.created_at + timedelta(days=90)
    assert new.secret.text != old.secret.text
    assert await ids(database) == {old.key.id, new.key.id}
    assert (await one(desk, old.key.id))[0].expires_at == new.key.created_at + HOUR
    assert new.replaces == (await one(desk, old.key.id))[0]


async def test_rotating_twice_keeps_the_lifetime(desk: ApiKeyService) -> None:
    """A key that never expires is replaced by keys that never expire, even if it is being replaced already."""
    old = await shop(desk)
    for _ in range(2):
        assert (await desk.rotate(old.key.id, overlap=HOUR)).key.expires_at is None


async def test_without_overlap_the_old_key_ends_at_once(database: Database, desk: ApiKeyService) -> None:
    """An overlap of 0 seconds."""
    old = await shop(desk)
    new = await desk.rotate(old.key.id, overlap=timedelta(0))
    assert await ids(database) == {new.key.id}
    assert (await one(desk, old.key.id))[1] == KeyState.EXPIRED


async def test_an_overlap_does_not_extend_a_lifetime(desk: ApiKeyService) -> None:
    """A key that expires before the end of the overlap still does."""
    old = await shop(desk, timedelta(minutes=5))
    await desk.rotate(old.key.id, overlap=HOUR)
    assert (await one(desk, old.key.id))[0].expires_at == old.key.expires_at


async def test_an_invalid_key_is_not_replaced(database: Database, desk: ApiKeyService) -> None:
    """Neither a revoked, nor an expired, nor an unknown key; nothing is created."""
    revoked, expired = await shop(desk), await shop(desk, timedelta(0))
    await desk.revoke(revoked.key.id)
    for id, state in ((revoked.key.id, "revoked"), (expired.key.id, "expired")):
        with pytest.raises(KeyEnded, match=state):
            await desk.rotate(id, overlap=HOUR)
    for ask in (desk.rotate("0123456789ab", overlap=HOUR), desk.revoke("0123456789ab"), desk.revoke("' OR 1=1")):
        with pytest.raises(KeyUnknown, match="connector keys list"):
            await ask
    assert await ids(database) == set()
    with pytest.raises(KeyUnknown):
        await ApiKeyService(database, "other", OPERATOR).revoke(revoked.key.id)


async def test_rotated_and_revoked_at_once(database: Database, desk: ApiKeyService) -> None:
    """In either order, the old key is revoked in the end."""
    old = await shop(desk)
    await asyncio.gather(desk.rotate(old.key.id, overlap=HOUR), desk.revoke(old.key.id), return_exceptions=True)
    assert old.key.id not in await ids(database)
