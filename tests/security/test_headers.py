"""Headers of any bytes: never a server error, never access, on a real socket."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.client_keys import KeyedApi, keyed_api, sign

NAMES = ("Authorization", "X-User-Token", "X-Request-Id", "Idempotency-Key", "Origin", "Host", "Content-Type")
bytes_of_headers = st.binary(max_size=60).map(
    lambda raw: bytes(byte for byte in raw if byte >= 0x20 and byte != 0x7F).strip()
)
words = st.sampled_from([b"Bearer ", b"Basic ", b"ck_", b"user-v1.", sign("u").encode(), b"https://shop.example", b""])


@pytest.fixture(scope="module")
async def api(_sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[KeyedApi]:
    """A real server."""
    async with keyed_api(_sqlite_template, tmp_path_factory.mktemp("headers")) as started:
        yield started


async def test_no_header_breaks_the_server_or_gives_access(api: KeyedApi) -> None:
    """Every route here needs a key, and none of these bytes is one."""
    port = api.process.port

    @settings(max_examples=150, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.dictionaries(st.sampled_from(NAMES), st.tuples(words, bytes_of_headers).map(b"".join)))
    def send(headers: dict[str, bytes]) -> None:
        for method, path in (("GET", "/v1/users/u"), ("GET", "/v1/users/u/inbox"), ("POST", "/v1/batch")):
            status, text = _send(port, method, path, headers)
            assert status in (400, 401), (headers, status)
            if status == 401:
                assert json.loads(text)["error"]["code"] == "unauthorized"

    await asyncio.to_thread(send)


def _send(port: int, method: str, path: str, headers: dict[str, bytes]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", "0")
        connection.endheaders()
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
