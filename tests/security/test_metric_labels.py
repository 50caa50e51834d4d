"""No label of a metric comes from outside: invented values grow neither `/metrics` nor memory (issue 13, 6a)."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from connector.app import metrics_page
from connector.app.context import AppContext, build_context
from connector.app.preflight import listen
from connector.settings.application import Settings
from connector.store.engine.database import Database
from starter.api.access.scopes import Keys
from starter.api.app import create_app
from tests.security.conftest import Load
from tests.support.api import KEY, configured, open_client
from tests.support.api_process import api_process
from tests.support.builders import at

KNOWN_METHODS = [
    "DELETE",
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "CONNECT",
    "OPTIONS",
    "TRACE",
    "COPY",
    "LOCK",
    "MKCOL",
    "MOVE",
    "PROPFIND",
    "PROPPATCH",
    "SEARCH",
    "UNLOCK",
    "BIND",
    "REBIND",
    "UNBIND",
    "ACL",
    "REPORT",
    "MKACTIVITY",
    "CHECKOUT",
    "MERGE",
    "M-SEARCH",
    "NOTIFY",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "PATCH",
    "PURGE",
    "MKCALENDAR",
    "LINK",
    "UNLINK",
]
"""The methods that httptools lets through."""


async def send_all(port: int, requests: list[bytes]) -> None:
    """Send requests one by one over one connection, and over a new one when that is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for request in requests:
        writer.write(request)
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
            if not request.startswith(b"HEAD"):
                await reader.readexactly(int(length.split(b":")[1]))
            is_closed = b"connection: close" in head.lower()
        except (asyncio.IncompleteReadError, ConnectionError):
            is_closed = True
        if is_closed:
            writer.close()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.close()


@asynccontextmanager
async def h11_server(context: AppContext) -> AsyncIterator[int]:
    """Serve with h11, which lets any method through."""
    app = create_app(context, Keys(configured(KEY)))
    with listen("127.0.0.1", 0, option="") as socket:
        server = uvicorn.Server(uvicorn.Config(app, http="h11", lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve(sockets=[socket]))
        yield socket.getsockname()[1]
        server.should_exit = True
        await serving


async def test_invented_methods(sqlite_database: Database, load: Load) -> None:
    """Invented methods are one label, whatever they are and wherever they go."""
    number = load(200, 40_000)
    paths = ["/healthz", "/nowhere", "/v1/interactions", "/v1/users/u"]
    requests = [
        f"INVENTED{place} {paths[place % len(paths)]} HTTP/1.1\r\nHost: h\r\n\r\n".encode() for place in range(number)
    ]
    async with h11_server(build_context(Settings(), sqlite_database)) as port:
        await send_all(port, requests)
        headers = {"Authorization": f"Bearer {KEY}"}
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers) as client:
            text = (await client.get("/metrics")).text
    assert "INVENTED" not in text
    assert 'method="other",route="/healthz"' in text
    assert len(text) < 300_000


async def test_everything_else_that_a_caller_chooses(sqlite_url: str, tmp_path: Path, load: Load) -> None:
    """Paths, queries, hosts, ids, providers, kinds and keys make no lines in `/metrics`."""
    number = load(30, 3000)
    requests = [
        f"{method} {path} HTTP/1.1\r\nHost: h{place}\r\nX-Request-Id: r{place}\r\n"
        f"Authorization: Bearer ck_{place:012}_{'A' * 43}\r\n\r\n".encode()
        for place in range(number)
        for method in KNOWN_METHODS[place % 4 :: 4]
        for path in (f"/made/up/{place}", f"/webhooks/made-up-{place}", f"/c/{place}", f"/v1/users/u{place}?q={place}")
        if method not in ("CONNECT", "HEAD")
    ]
    messages = [{"type": f"made-up-{place}", "userId": "u", "timestamp": at(0)} for place in range(number)]
    kinds: list[dict[str, Any]] = [{**messages[0], "type": kind} for kind in ([], {}, 5, None)]
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        await send_all(api.port, requests[:200])
        await api.client.post("/v1/batch", json={"batch": [*messages[:100], *kinds]})
        early = len((await api.client.get("/metrics")).text.splitlines())
        await send_all(api.port, requests)
        await api.client.post("/v1/batch", json={"batch": messages[:2500]})
        text = (await api.client.get("/metrics")).text
    assert "made-up" not in text
    assert "made/up" not in text
    assert len(text.splitlines()) < early + 300


@pytest.mark.serial
async def test_rendering_is_off_the_event_loop(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other requests are answered while metrics are rendered, however long that takes."""
    began, end = threading.Event(), threading.Event()

    def slow(*_: object) -> bytes:
        began.set()
        end.wait(30)
        return b""

    monkeypatch.setattr(metrics_page, "generate_latest", slow)
    async with open_client(build_context(Settings(), sqlite_database)) as api:
        reading = asyncio.create_task(api.get("/metrics"))
        await asyncio.to_thread(began.wait, 30)
        since = time.monotonic()
        assert (await api.get("/healthz")).status_code == 200
        assert time.monotonic() - since < 5
        end.set()
        assert (await reading).status_code == 200
