"""Connections that request nothing, or hang up, do not affect other callers (issue 13, 6 and 11)."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from connector.app.http_protocol import HEAD_SECONDS
from tests.support.api import KEY
from tests.support.api_process import api_process
from tests.support.polling import until
from tests.support.slow_callers import connect, head

pytestmark = pytest.mark.paired

_MORE_THAN_BUFFERS = 8 * 1024 * 1024
"""Bytes that no pair of sockets on this machine holds."""


async def test_idle_connections_are_closed_for_new_ones(sqlite_url: str, tmp_path: Path) -> None:
    """More connections than the process takes, none of which ends a head: requests are answered all the same."""
    async with api_process(sqlite_url, tmp_path / "api.log", max_connections="20") as api:
        held = [await connect(api.port, "127.0.0.2") for _ in range(60)]
        for _, writer in held:
            writer.write(b"GET /v1/follow-ups HTTP/1.1\r\nHost: ")
        for _ in range(5):
            assert (await api.client.get("/v1/follow-ups")).status_code == 200
        for _, writer in held:
            writer.close()


async def test_connections_that_read_nothing_are_closed_for_new_ones(sqlite_url: str, tmp_path: Path) -> None:
    """One client fills all connections with requests whose responses it does not read: others are answered, and the
    requests that end with their connections are no errors.
    """
    log = tmp_path / "api.log"
    async with api_process(sqlite_url, log, max_connections="20") as api:
        size = len((await api.client.get("/openapi.json")).content)
        requests = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * (_MORE_THAN_BUFFERS // size + 3)
        held = ExitStack()
        for _ in range(30):
            held.enter_context(_deaf_connection(api.port, requests))
        await until(lambda: len(list(_requests(log))) > 30, "the responses to begin")
        for _ in range(5):
            assert (await api.client.get("/v1/follow-ups")).status_code == 200
        held.close()
    assert "request_failed" not in log.read_text()


async def test_a_head_must_end(sqlite_url: str, tmp_path: Path) -> None:
    """A connection whose head does not end in time is closed, and so is one that never sends anything.

    The sleep is the slow client itself.
    """
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        silent, endless = await connect(api.port), await connect(api.port)

        async def drip() -> None:
            while not endless[1].is_closing():
                endless[1].write(b"G")
                await asyncio.sleep(0.5)

        dripping = asyncio.create_task(drip())
        async with asyncio.timeout(2 * HEAD_SECONDS + 10):
            assert await silent[0].read() == b""
            with suppress(ConnectionError):  # the server closed it while a byte was on its way
                assert b"200" not in await endless[0].read()
        dripping.cancel()
        silent[1].close()
        endless[1].close()


async def test_an_aborted_request_is_no_error(sqlite_url: str, tmp_path: Path) -> None:
    """Whoever hangs up in the middle of a body leaves a line with 499: no 500, no traceback."""
    log = tmp_path / "api.log"
    async with api_process(sqlite_url, log) as api:
        for path in ("/v1/interactions", "/v1/batch"):
            before = _count_aborted(log)
            _, writer = await connect(api.port)
            writer.write(head(path, 100, {"Authorization": f"Bearer {KEY}"}) + b"{")
            await writer.drain()
            await until(lambda: api.metric("connector_http_requests_in_flight", 'pool="keyed"'), "the request's start")
            writer.close()
            await until(lambda seen=before: _count_aborted(log) == seen + 1, "a line with 499")
        assert await api.metric("connector_http_request_seconds_count", 'status="499"') == 2
    assert "request_failed" not in log.read_text()
    assert "Traceback" not in log.read_text()


def _requests(log: Path) -> Iterator[dict[str, object]]:
    lines = (json.loads(line) for line in log.read_text().splitlines() if line.startswith("{"))
    return (line for line in lines if line["event"] == "request")


def _count_aborted(log: Path) -> int:
    return [line["status"] for line in _requests(log)].count(499)


def _deaf_connection(port: int, requests: bytes) -> socket.socket:
    """Send requests from an address of its own, and read nothing."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    deaf.bind(("127.0.0.2", 0))
    deaf.connect(("127.0.0.1", port))
    deaf.sendall(requests)
    return deaf
