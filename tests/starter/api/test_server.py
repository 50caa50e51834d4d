"""Where the API listens, and what it says where it does not: without a key only in `connector dev`, on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from connector.rules.model.api_keys import Scope
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.server import serve
from starter.operations.api_keys import ApiKeyService, create_key
from tests.support.actors import OPERATOR
from tests.support.api import KEY, Connector, configured

AWAY = "postgresql://nobody@127.0.0.1:1/nowhere"


@asynccontextmanager
async def serving_on(settings: Settings) -> AsyncIterator[int]:
    """Serve, and yield the port."""
    stopped = asyncio.Event()
    with capture_logs() as logged:
        serving = asyncio.create_task(serve(settings, "127.0.0.1", 0, stopped))
        try:
            async with asyncio.timeout(30):
                while not (ports := [line["port"] for line in logged if line["event"] == "api_listens"]):
                    assert not serving.done(), serving.exception()
                    await asyncio.sleep(0.01)
            yield ports[0]
        finally:
            stopped.set()
            await asyncio.gather(serving, return_exceptions=True)


async def statuses(settings: Settings, *given: str | None) -> list[int]:
    """Serve on a free port, and look at the follow-ups with each of these keys."""
    headers = [{"Authorization": f"Bearer {key}"} if key else {} for key in given]
    async with (
        serving_on(settings) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as api,
    ):
        return [(await api.get("/v1/follow-ups", headers=one)).status_code for one in headers]


@pytest.fixture
def settings(sqlite_url: str) -> Settings:
    return Settings(database_url=sqlite_url)


@pytest.mark.store_only("about the start of the API")
@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
@pytest.mark.parametrize("dead", [False, True])
def test_without_any_key(connector: Connector, data: Path, host: str, dead: bool) -> None:
    """Exit code 1, with both ways to a key; one that was revoked is none."""
    if dead:
        connector("keys", "revoke", connector("keys", "create", "--name", "a", "--scope", "read")[1].strip())
    code, out, err = connector("api", "--host", host, "--port", "0")
    assert (code, out) == (1, "")
    assert "connector keys create" in err
    assert "CONNECTOR_API_KEYS" in err


@pytest.mark.store_only("about the start of the API")
def test_dev_beyond_loopback(connector: Connector, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`connector dev`'s open door is for this machine alone."""
    monkeypatch.setenv("CONNECTOR_DEV", "1")
    code, _, err = connector("api", "--host", "0.0.0.0", "--port", "0")
    assert code == 1
    assert "connector keys create" in err


async def test_with_a_stored_key(settings: Settings, sqlite_database: Database) -> None:
    """It listens, and lets that key in."""
    key = (await ApiKeyService(sqlite_database, "default", OPERATOR).create("a", [Scope.READ])).secret.text
    assert await statuses(settings, None, key, create_key().text) == [401, 200, 401]


async def test_with_a_key_of_the_settings(settings: Settings) -> None:
    """No stored key is needed beside it."""
    settings.api_keys = configured(KEY)
    assert await statuses(settings, None, KEY, "short") == [401, 200, 401]


async def test_dev_on_loopback(settings: Settings) -> None:
    """Without any key."""
    settings.dev = True
    assert await statuses(settings, None, "anything") == [200, 200]


async def test_while_the_database_is_away() -> None:
    """It listens, and lets nobody in whom it cannot know."""
    assert await statuses(Settings(database_url=AWAY), None, "anything", create_key().text) == [401, 401, 503]


_CHUNKED = b"POST /v1/interactions HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: h\r\nX-Long: ", b"a" * 8192),
        (b"GET /healthz HTTP/1.1\r\nHost: h\r\n", b"X-Many: a\r\n" * 800),
        (b"GET /", b"a" * 8192),
        (_CHUNKED, b"X-Trailer: a\r\n" * 600),
    ],
    ids=["one header", "many headers", "request line", "trailers"],
)
async def test_head_without_end(settings: Settings, start: bytes, more: bytes) -> None:
    """The server closes a connection with a request line, headers or trailers that do not end."""
    settings.dev = True
    async with serving_on(settings) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(start)
        with suppress(ConnectionError):  # the server may close it while the rest is on its way
            for _ in range(200):
                writer.write(more)
                await writer.drain()
            await asyncio.wait_for(reader.read(), 10)  # to the end of the connection
        writer.close()
