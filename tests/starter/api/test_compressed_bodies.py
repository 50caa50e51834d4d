"""Packed bodies: whole, in pieces, broken, and those that would become very large."""

import gzip
import json
import tracemalloc
import zlib

import httpx
import pytest

from connector.app.context import AppContext
from starter.api.requests.decompression import Decompressor
from tests.support.api import open_client
from tests.support.builders import push

URL = "/v1/interactions"
MOST = 1000
TEXT = b"some words, and others; " * 20


def compressed(content: bytes) -> bytes:
    """Compress without the time of day, so that every process collects the same test ids."""
    return gzip.compress(content, mtime=0)


PACKED = compressed(TEXT)


def unpack(packed: bytes, size: int = 1 << 16, most: int = MOST) -> bytes:
    """Unpack in pieces of that size."""
    unpacker = Decompressor(most)
    for start in range(0, len(packed), size):
        unpacker.feed(packed[start : start + size])
    return unpacker.result()


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
@pytest.mark.parametrize(
    ("packed", "text"),
    [
        (PACKED, TEXT),
        (PACKED + PACKED, TEXT + TEXT),
        (PACKED + b"\0" * 100, TEXT),
        (compressed(b"") + PACKED, TEXT),
        (compressed(b""), b""),
        (b"", b""),
        (compressed(b"a" * MOST), b"a" * MOST),
    ],
)
def test_whatever_gzip_may_be(packed: bytes, text: bytes, size: int) -> None:
    """Several members follow each other, zeros may fill up the end, and pieces may be cut anywhere."""
    assert unpack(packed, size) == text


@pytest.mark.parametrize("size", [1, 1 << 16])
@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (PACKED[:-1], "in the middle"),
        (PACKED[:5], "in the middle"),
        (PACKED + b"garbage", "incorrect header|unknown compression"),
        (b"no gzip at all", "incorrect header"),
        (zlib.compress(TEXT), "incorrect header"),
        (PACKED[:-8] + b"\0" * 8, "incorrect data check"),
        (PACKED[:20] + b"\xff\xff\xff" + PACKED[23:], "invalid|incorrect"),
        (compressed(b"") * 101, "more than 100 members"),
    ],
)
def test_what_is_not_gzip(packed: bytes, words: str, size: int) -> None:
    """Truncated, followed by garbage, damaged, or none at all."""
    with pytest.raises(ValueError, match=words):
        unpack(packed, size)


def test_a_bomb_costs_nothing() -> None:
    """A gigabyte out of one megabyte: unpacked no further than what is allowed."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = b"\0" * (1 << 20)
    bomb = b"".join(squeeze.compress(zeros) for _ in range(1024)) + squeeze.flush()
    tracemalloc.start()
    try:
        with pytest.raises(OverflowError):
            unpack(bomb, 1 << 16, 500 * 1024)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * 1024 * 1024


async def _post(api: httpx.AsyncClient, content: bytes, encoding: str = "gzip") -> httpx.Response:
    return await api.post(URL, content=content, headers={"Content-Encoding": encoding})


async def test_interactions_may_be_packed(api: httpx.AsyncClient) -> None:
    """By gzip, under either of its names, or not at all."""
    body = json.dumps({"interactions": [{**push("a", 1), "type": "event", "name": "e", "campaign": None}]}).encode()
    body = body.replace(b'"campaign": null, ', b"")
    assert (await _post(api, compressed(body))).json()["results"][0]["status"] == "accepted"
    assert (await _post(api, compressed(body), "X-GZIP")).json()["results"][0]["status"] == "duplicate"
    assert (await _post(api, body, "identity")).json()["results"][0]["status"] == "duplicate"


@pytest.mark.parametrize(
    ("content", "encoding", "status", "code"),
    [
        (PACKED, "br", 415, "unsupported_encoding"),
        (PACKED, "gzip, gzip", 415, "unsupported_encoding"),
        (PACKED[:-1], "gzip", 400, "invalid_encoding"),
        (b"{}", "gzip", 400, "invalid_encoding"),
        (compressed(b"{"), "gzip", 400, "invalid_json"),
        (compressed(b""), "gzip", 422, "invalid"),
        (compressed(b" " * (11 << 20)), "gzip", 413, "too_large"),
    ],
)
async def test_what_is_wrong_with_a_packed_body(
    context: AppContext, content: bytes, encoding: str, status: int, code: str
) -> None:
    """Each has its status and words."""
    async with open_client(context) as api:
        answer = await _post(api, content, encoding)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("number", ["1e999", "-1E+0400", "9" * 320 + ".0", "9" * 280 + "e50"])
async def test_numbers_that_no_database_keeps(api: httpx.AsyncClient, number: str) -> None:
    """They would become infinities; a number that merely looks like one is taken."""
    item = {**push("a", 1), "type": "event", "name": "e"}
    del item["campaign"]
    body = json.dumps({"interactions": [{**item, "properties": {"x": 12.5e300, "y": "1e999"}}]})
    assert (await api.post(URL, content=body)).json()["results"][0]["status"] == "accepted"
    answer = await api.post(URL, content=body.replace("1.25e+301", number))
    [result] = answer.json()["results"]
    assert result["status"] == "invalid"
    assert "too large" in result["fault"]
