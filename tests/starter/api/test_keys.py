"""Keys over HTTP: how they are sent, what is refused and how, how fast, and what the log says of it."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from structlog.testing import capture_logs

from connector.app.context import AppContext, build_context
from connector.rules.model.api_keys import Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.key_cache import ApiKeyCache
from starter.api.access.scopes import Keys
from starter.operations.api_keys import ApiKeyService, create_key
from tests.support.actors import OPERATOR
from tests.support.api import KEY, Clock, configured, open_client

LISTED = "/v1/follow-ups"
INTERACTIONS = "/v1/interactions"
BATCH = {"interactions": [{"id": "e", "user": "u", "type": "start_session", "occurred_at": "2026-03-02T12:00:00Z"}]}


class Shop:
    """Keys of a store, on a clock of their own, and clients that send them."""

    def __init__(self, context: AppContext, *fixed: str, is_open: bool = False) -> None:
        self.context, self.clock, self.desk = (
            context,
            Clock(),
            ApiKeyService(context.database, context.workspace, OPERATOR),
        )
        stored_keys = ApiKeyCache(context.database, context.workspace, clock=self.clock)
        self.keys = Keys(configured(*fixed), stored=stored_keys, is_open=is_open, rate=5, clock=self.clock)

    async def make(self, *scopes: Scope, rate: float | None = None) -> str:
        return (await self.desk.create("shop", scopes or (Scope.READ,), rate=rate)).secret.text

    def client(self, given: str | None) -> httpx.AsyncClient:
        return open_client(self.context, given=given, keys=self.keys)

    async def get(self, given: str | None, path: str = LISTED, **headers: str) -> httpx.Response:
        async with self.client(given) as api:
            return await api.get(path, headers=headers)


@pytest.fixture
def shop(context: AppContext) -> Shop:
    return Shop(context)


def basic(text: str, encoding: str = "utf-8") -> str:
    return "Basic " + base64.b64encode(text.encode(encoding)).decode()


@pytest.mark.parametrize("way", ["bearer", "lower case", "user name", "user name and password"])
@pytest.mark.parametrize("stored", [True, False])
async def test_the_ways_to_send_a_key(context: AppContext, way: str, stored: bool) -> None:
    """As a bearer, or as Segment's SDKs do: as the user name, with any password or none."""
    shop = Shop(context, KEY)
    key = await shop.make() if stored else KEY
    header = {
        "bearer": f"Bearer {key}",
        "lower case": f"bearer  {key} ",
        "user name": basic(f"{key}:"),
        "user name and password": basic(f"{key}:a:b"),
    }[way]
    assert (await shop.get(None, Authorization=header)).status_code == 200


UNKNOWN_KEY = b"ck_0123456789ab_" + b"A" * 43


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Bearer ck_",
        b"Bearer " + UNKNOWN_KEY,
        b"Bearer \xff\xfe\x00",
        "Bearer schlüssel".encode(),
        b"Bearer " + b"a" * 60_000,
        b"Basic",
        b"Basic !!!!",
        b"Basic YQ",
        b"Basic " + base64.b64encode(b"no colon"),
        b"Basic " + base64.b64encode(b":only a password"),
        b"Basic " + base64.b64encode(b"\xff\xfe:\x00"),
        b"Basic " + base64.b64encode(UNKNOWN_KEY + b":"),
        b"Basic " + "ü".encode(),
        b"Digest username=ck",
        b"Negotiate abc",
        b"ck_0123456789ab",
        b"\x00",
        b",",
    ],
)
@pytest.mark.parametrize("path", [LISTED, "/v1/users/u/inbox"])
async def test_malformed_headers(shop: Shop, header: bytes, path: str) -> None:
    """401 in our shape, whatever was sent, and what was sent is not repeated."""
    await shop.make()
    async with shop.client(None) as api:
        answer = await api.get(path, headers={b"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "unauthorized"
    assert "Authorization: Bearer KEY" in answer.json()["error"]["message"]
    assert create_key().text[:3] not in answer.text


async def test_two_headers(shop: Shop) -> None:
    """Nobody can say which one counts."""
    key = await shop.make()
    async with shop.client(None) as api:
        headers = [("Authorization", f"Bearer {key}"), ("Authorization", "Bearer other")]
        assert (await api.get(LISTED, headers=headers)).status_code == 401


async def test_from_made_to_revoked_while_the_api_runs(shop: Shop) -> None:
    """Known and refused again within a second, without a statement for every request."""
    key = await shop.make(rate=1000)
    async with shop.client(key) as api:
        with shop.context.database.count_statements() as count:
            assert {(await api.get("/metrics")).status_code for _ in range(30)} == {200}
        assert len([statement for statement in count.statements if "FROM keys" in statement]) == 1
        await shop.desk.revoke(key[3:15])
        shop.clock.now += 1
        assert (await api.get("/metrics")).status_code == 401


async def test_both_keys_hold_during_a_rotation(shop: Shop) -> None:
    """And the old one no longer, when it was told so."""
    old = await shop.make()
    assert (await shop.get(old)).status_code == 200
    new = (await shop.desk.rotate(old[3:15], overlap=timedelta(hours=1))).secret.text
    shop.clock.now += 1
    assert [(await shop.get(key)).status_code for key in (old, new)] == [200, 200]
    await shop.desk.rotate(old[3:15], overlap=timedelta(0))
    shop.clock.now += 1
    assert [(await shop.get(key)).status_code for key in (old, new)] == [401, 200]


async def test_without_the_database(shop: Shop) -> None:
    """503 for a key that may be valid, 401 for what cannot be one; keys of the settings are known without it."""
    database = Database.open("postgresql://nobody@127.0.0.1:1/nowhere")
    away = Shop(build_context(Settings(), database), KEY)
    unknown = await away.get(create_key().text, "/metrics")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (503, "store_unavailable")
    assert unknown.headers["Retry-After"]
    assert [(await away.get(given, "/metrics")).status_code for given in (None, "wrong", KEY)] == [401, 401, 200]
    await database.close()


@pytest.mark.parametrize("fixed", [True, False])
async def test_over_its_rate(context: AppContext, fixed: bool) -> None:
    """429 with whole seconds to wait, in our shape; the burst is two seconds' worth; other keys go on."""
    shop = Shop(context, KEY)
    key, other = KEY if fixed else await shop.make(), await shop.make()
    assert [(await shop.get(key)).status_code for _ in range(11)] == [200] * 10 + [429]
    refused = await shop.get(key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
    assert refused.json()["error"]["code"] == "rate_limited"
    assert "5 requests a second" in refused.json()["error"]["message"]
    assert (await shop.get(other)).status_code == 200
    shop.clock.now += 1
    assert [(await shop.get(key)).status_code for _ in range(6)] == [200] * 5 + [429]


async def test_a_rate_of_its_own(shop: Shop) -> None:
    """A slow key waits as long as it has to."""
    key = await shop.make(rate=0.25)
    assert (await shop.get(key)).status_code == 200
    shop.clock.now += 0.5
    refused = await shop.get(key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "4")
    shop.clock.now += 4
    assert (await shop.get(key)).status_code == 200


@pytest.mark.parametrize("status", [401, 403, 429])
async def test_refused_before_the_body_is_read(shop: Shop, status: int) -> None:
    """Nobody makes us read who may not send."""
    reading = await shop.make(Scope.READ)
    sending = await shop.make(Scope.INGEST, rate=0.1)
    read: list[bytes] = []

    async def body() -> AsyncIterator[bytes]:
        read.append(b"x")
        yield b'{"interactions": []}'

    async with shop.client({401: "wrong", 403: reading, 429: sending}[status]) as api:
        if status == 429:
            assert (await api.post(INTERACTIONS, json=BATCH)).status_code == 200
        answer = await api.post(INTERACTIONS, content=body())
    assert answer.status_code == status
    assert read == []


async def test_every_route_counts_once(shop: Shop) -> None:
    """Also where a route asks for its caller, and for an inbox token or a key."""
    for method, path in (("GET", LISTED), ("PATCH", "/v1/users/u"), ("GET", "/v1/users/u/inbox")):
        key = await shop.make(Scope.INGEST, Scope.READ, rate=1)
        shop.clock.now += 1
        async with shop.client(key) as api:
            statuses = [(await api.request(method, path, json={})).status_code for _ in range(3)]
        assert statuses == [200, 200, 429]


async def test_the_log_names_the_key_by_its_id(context: AppContext) -> None:
    """The key itself and the name it was given are not in the log; a stranger's id is not, either."""
    shop = Shop(context, "alpha" * 8, "omega" * 8)
    key = await shop.make(rate=0.1)
    with capture_logs() as logged:
        for given in ("omega" * 8, key, key, None, "wrong", create_key().text):
            await shop.get(given)
        shop.clock.now += 1
        await shop.get(await shop.make(Scope.INGEST))
    lines = [line for line in logged if line["event"] == "request"]
    told = [(line["status"], line.get("key")) for line in lines]
    assert told[:6] == [(200, "env-2"), (200, key[3:15]), (429, key[3:15]), (401, None), (401, None), (401, None)]
    assert (told[6][0], len(told[6][1] or "")) == (403, 12)
    assert key[-43:] not in str(logged)
    assert "omega" not in str(logged)
    assert "shop" not in str(logged)


async def test_in_development_nobody_needs_a_key(context: AppContext) -> None:
    """On loopback, as long as none is set; web pages stay out."""
    shop = Shop(context, is_open=True)
    assert [(await shop.get(given)).status_code for given in (None, "anything", basic("w:")[6:])] == [200] * 3
    assert (await shop.get(None, Origin="https://evil.example")).status_code == 403
    assert (await shop.get("anything", Origin="https://evil.example")).status_code == 403
    assert (await shop.get(None, Origin="http://[")).status_code == 403


async def test_in_development_a_key_that_is_sent_counts(context: AppContext) -> None:
    """Once there are keys: a wrong one is refused, and a right one may do what it may, also from a web page."""
    shop = Shop(context, is_open=True)
    revoked = await shop.make()
    await shop.desk.revoke(revoked[3:15])
    assert [(await shop.get(given)).status_code for given in (revoked, create_key().text)] == [401, 401]
    reading, sending = await shop.make(Scope.READ), await shop.make(Scope.INGEST)
    shop.clock.now += 1
    given = (None, reading, sending, "anything", create_key().text)
    assert [(await shop.get(key)).status_code for key in given] == [200, 200, 403, 401, 401]
    assert (await shop.get(None, Authorization="Basic !")).status_code == 401
    assert (await shop.get(reading, Origin="https://shop.example")).status_code == 200
