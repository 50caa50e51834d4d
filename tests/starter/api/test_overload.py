"""More than the API takes on at a time: refused at once and whole, nothing acknowledged is lost, memory stays flat."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.api import KEY
from tests.support.api_process import ApiProcess, api_process, logged_ids
from tests.support.builders import at
from tests.support.polling import until

pytestmark = pytest.mark.serial

URL = "/v1/interactions"
KEYED = 'pool="keyed"'
ITEMS = 20
FLAT_MEBIBYTES = 64
"""What the resident memory may differ by between an early and a late look: allocators keep some of what they had."""
HEALTHY_WITHIN = 5.0
"""Generous for two busy cores; a process that is stuck does not answer at all."""


def batch(name: str) -> list[dict[str, Any]]:
    """Events of users of its own."""
    return [
        {"id": f"{name}-{n}", "user": f"u-{name}-{n}", "type": "event", "name": "seen", "occurred_at": at(0)}
        for n in range(ITEMS)
    ]


class Callers:
    """Callers that send a batch again until it is accepted, and remember what they were told."""

    def __init__(self, api: ApiProcess) -> None:
        self.api = api
        self.statuses: Counter[int] = Counter()
        self.acknowledged: set[str] = set()
        self.refusals: list[httpx.Response] = []

    async def send(self, name: str, *, padding: int = 0) -> None:
        """One batch, until it is accepted."""
        content = json.dumps({"interactions": batch(name)}).encode()
        content += b" " * max(0, padding - len(content))
        while not await self._accepted(content):
            await asyncio.sleep(0.1)

    async def _accepted(self, content: bytes) -> bool:
        answer = await self.api.client.post(URL, content=content)
        self.statuses[answer.status_code] += 1
        if answer.status_code != 200:
            self.refusals.append(answer)
            return False
        self.acknowledged |= {result["id"] for result in answer.json()["results"] if result["status"] != "invalid"}
        return True


async def healthy(api: ApiProcess, until: asyncio.Event) -> float:
    """The longest that /healthz took meanwhile, in seconds."""
    longest = 0.0
    while not until.is_set():
        began = time.monotonic()
        assert (await api.client.get("/healthz")).status_code == 200
        longest = max(longest, time.monotonic() - began)
        await asyncio.sleep(0.1)
    return longest


async def test_more_than_is_taken_on_is_refused_and_nothing_is_lost(sqlite_url: str, tmp_path: Path) -> None:
    """64 callers where 4 are let in: refused ones try again, in the end all is there once, and memory is flat."""
    async with api_process(sqlite_url, tmp_path / "api.log", max_requests="4") as api:
        callers, over = Callers(api), asyncio.Event()
        watching = asyncio.create_task(healthy(api, over))
        names = [f"b{number}" for number in range(192)]
        resident = []
        for start in range(0, len(names), 64):
            await asyncio.gather(*(callers.send(name) for name in names[start : start + 64]))
            resident.append(api.resident_mebibytes())
        over.set()
        assert await watching < HEALTHY_WITHIN
        assert resident[-1] - resident[0] < FLAT_MEBIBYTES
        assert await api.metric("connector_http_refused_total") == callers.statuses[503] > 0
        assert await api.metric("connector_http_requests_in_flight", KEYED) == 0
    assert set(callers.statuses) == {200, 503}
    for refusal in callers.refusals:
        assert refusal.headers["Retry-After"].isdigit()
        assert refusal.headers["X-Request-Id"]
        assert refusal.json()["error"]["code"] == "overloaded"
    logged = await logged_ids(sqlite_url)
    assert set(logged) == callers.acknowledged == {item["id"] for name in names for item in batch(name)}
    assert set(logged.values()) == {1}


async def test_large_bodies_do_not_pile_up(sqlite_url: str, tmp_path: Path) -> None:
    """Bodies of nearly 10 MB, of which only one fits at a time: the others are refused, and memory is flat."""
    nearly = 10 * 1024 * 1024 - 1024
    settings = {"max_body_memory": str(10 * 1024 * 1024)}
    async with api_process(sqlite_url, tmp_path / "api.log", **settings) as api:
        callers = Callers(api)
        await callers.send("first", padding=nearly)
        early = api.resident_mebibytes()
        await asyncio.gather(*(callers.send(f"large{number}", padding=nearly) for number in range(12)))
        assert api.resident_mebibytes() - early < FLAT_MEBIBYTES
        assert await api.metric("connector_http_body_bytes") == 0
    assert callers.statuses[200] == 13
    assert set(callers.statuses) == {200, 503}
    assert set(await logged_ids(sqlite_url)) == callers.acknowledged


async def test_slow_bodies_do_not_keep_their_places(sqlite_url: str, tmp_path: Path) -> None:
    """Callers who send a byte and no more get 408, or 503 beyond the places for them; whole bodies are served."""
    async with api_process(sqlite_url, tmp_path / "api.log", max_requests="4", body_timeout="2 seconds") as api:
        slow = [await begun(api.port) for _ in range(4)]
        callers = Callers(api)
        await callers.send("whole")
        answers = [await reader.readline() for reader, _ in slow]
        for _, writer in slow:
            writer.close()
    assert Counter(answers) == {b"HTTP/1.1 408 Request Timeout\r\n": 2, b"HTTP/1.1 503 Service Unavailable\r\n": 2}
    assert callers.statuses == {200: 1}


async def begun(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A request whose body never comes to its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = f"POST {URL} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {KEY}\r\nContent-Length: 100\r\n\r\n{{"
    writer.write(head.encode())
    await writer.drain()
    return reader, writer


async def test_killed_under_load_keeps_what_it_acknowledged(sqlite_url: str, tmp_path: Path) -> None:
    """Guarantee 5: killed in the middle; all that was acknowledged is there, all else can be sent again."""
    names = [f"k{number}" for number in range(200)]
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        callers = Callers(api)
        sending = [asyncio.create_task(callers.send(name)) for name in names]
        async with asyncio.timeout(60):
            while len(callers.acknowledged) < 20 * ITEMS:
                await asyncio.sleep(0.005)
        api.process.kill()
        ended = await asyncio.gather(*sending, return_exceptions=True)
    assert any(isinstance(end, httpx.TransportError) for end in ended), "it was killed after the load, not in it"
    assert callers.acknowledged <= set(await logged_ids(sqlite_url))
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        again = Callers(api)
        await asyncio.gather(*(again.send(name) for name in names))
    logged = await logged_ids(sqlite_url)
    assert set(logged) == {item["id"] for name in names for item in batch(name)}
    assert set(logged.values()) == {1}


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_what_tells_of_the_process_is_never_refused(sqlite_url: str, tmp_path: Path, path: str) -> None:
    """Whoever restarts and measures this process gets an answer while all places are taken."""
    async with api_process(sqlite_url, tmp_path / "api.log", max_requests="1") as api:
        with closing(sqlite3.connect(sqlite_url.partition("///")[2], isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(Callers(api).send("waits"))
            await until(lambda: api.metric("connector_http_requests_in_flight", KEYED))
            assert (await api.client.get(path)).status_code == 200
            assert (await api.client.get("/v1/follow-ups")).status_code == 503
            waiting.cancel()
