"""People at the console: they sign in, load pages, and keep pages open, which poll as in a browser.

A page's first content is its HTML, which has the answers to all questions of the page in it: the time until the last
byte of it is measured, without the time that a browser needs to draw it. An open page is the websocket that a browser
would keep: the console's timers run as long as it is there.
"""

from __future__ import annotations

import json
import re
from ast import literal_eval
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from time import perf_counter
from uuid import uuid4

import httpx
import socketio  # type: ignore[import-untyped]

from bench.installation import API_KEY, CONNECTOR, run_server_process

_PAGES_OF_A_PERSON = 25
"""The console lets a session keep 30 websockets."""
_TOKEN = re.compile(r'name="token" value="([^"]*)"')
_QUERY = re.compile(r"query: (\{.*?\}),\n")
"""What the websocket is asked for with, as a literal of Python."""


class Person:
    """Somebody who has signed in."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def load(self, path: str) -> tuple[float, str]:
        """Load a page; return after how many milliseconds all of it was there, and its HTML.

        Raises:
            RuntimeError: the console answered something else.
        """
        started_at = perf_counter()
        answer = await self._client.get(path, headers={"accept": "text/html"})
        milliseconds = (perf_counter() - started_at) * 1000
        if answer.status_code != 200 or "createApp" not in answer.text:
            raise RuntimeError(f"{path}: {answer.status_code} {answer.text[:300]}")
        return milliseconds, answer.text

    @asynccontextmanager
    async def keep_open(self, path: str) -> AsyncIterator[None]:
        """Keep a page open until the block ends."""
        _, html = await self.load(path)
        found = _QUERY.search(html)
        if found is None:
            raise RuntimeError(f"{path}: the page names no websocket")
        query = {**literal_eval(found[1]), "document_id": str(uuid4()), "tab_id": str(uuid4())}
        base = str(self._client.base_url).rstrip("/")
        cookies = "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())
        socket = socketio.AsyncClient(reconnection=False)
        words = "&".join(f"{name}={value}" for name, value in query.items())
        headers = {"Cookie": cookies, "Origin": base}
        await socket.connect(
            f"{base}?{words}", headers=headers, transports=["websocket"], socketio_path="/_nicegui_ws/socket.io"
        )
        try:
            if not query.get("implicit_handshake") and not await socket.call("handshake", query):
                raise RuntimeError(f"{path}: the console does not know the page")
            yield
            if not socket.connected:
                raise RuntimeError(f"{path}: the console has closed the page")
        finally:
            await socket.disconnect()


@asynccontextmanager
async def run_console(settings: dict[str, str], folder: Path) -> AsyncIterator[tuple[str, Process]]:
    """Run `connector console` until the block ends, and yield its URL and the process."""
    keys = json.dumps([{"name": "bench", "key": API_KEY, "scopes": ["read", "manage", "admin"]}])
    own = settings | {"CONNECTOR_API_KEYS": keys, "CONNECTOR_KEY_RATE": "1000000"}
    async with run_server_process([*CONNECTOR, "console", "--port", "PORT"], own, folder) as (client, process):
        yield str(client.base_url).rstrip("/"), process


@asynccontextmanager
async def sign_in(url: str) -> AsyncIterator[Person]:
    """Sign a person in until the block ends. Raises RuntimeError."""
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
        token = _TOKEN.findall((await client.get("/sign-in")).text)[0]
        data = {"key": API_KEY, "token": token, "next": "/"}
        answer = await client.post("/sign-in", data=data, headers={"origin": url})
        if answer.status_code != 303:
            raise RuntimeError(f"the console refuses the sign-in: {answer.status_code} {answer.text[:300]}")
        yield Person(client)


@asynccontextmanager
async def open_pages(url: str, paths: Sequence[str], count: int) -> AsyncIterator[None]:
    """Keep so many pages open, in turn of these paths, until the block ends."""
    async with AsyncExitStack() as stack:
        for number in range(count):
            if number % _PAGES_OF_A_PERSON == 0:
                person = await stack.enter_async_context(sign_in(url))
            await stack.enter_async_context(person.keep_open(paths[number % len(paths)]))
        yield
