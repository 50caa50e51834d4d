"""Slow bodies, whoever sends them, take no place and no memory from requests of others (issue 13, 6b)."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from pathlib import Path

import httpx
import pytest

from tests.security.conftest import Load
from tests.support.api import ALL_SCOPES, KEY
from tests.support.api_process import ApiProcess, api_process
from tests.support.builders import at
from tests.support.polling import until
from tests.support.slow_callers import head, slow_callers

pytestmark = pytest.mark.serial

SIGNING_KEY = "the signing key of Mailgun, for tests"
MAILGUN = {"CONNECTOR_MAILGUN_SIGNING_KEY": SIGNING_KEY}
LEAKED = "a-key-that-others-have-found-somewhere"
HONEST = 134
WITHIN_SECONDS = 5.0
"""Generous for two busy cores; before, hardly any was answered with 200 at all."""


def item(number: int) -> dict[str, object]:
    return {"id": f"e-{number}", "user": f"u-{number}", "type": "event", "name": "seen", "occurred_at": at(0)}


async def send(client: httpx.AsyncClient, number: int, *, padding: int = 0) -> tuple[int, float]:
    """Report one event, once; return the status and the seconds that it took."""
    content = json.dumps({"interactions": [item(number)]}).encode() + b" " * padding
    began = time.monotonic()
    answer = await client.post("/v1/interactions", content=content)
    return answer.status_code, time.monotonic() - began


async def send_webhook(client: httpx.AsyncClient, number: int) -> tuple[int, float]:
    """Report a delivery as Mailgun does."""
    timestamp, token = str(int(time.time())), f"token-{number}"
    signature = hmac.new(SIGNING_KEY.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    signed = {"timestamp": timestamp, "token": token, "signature": signature}
    event = {
        "id": f"m-{number}",
        "event": "delivered",
        "timestamp": time.time(),
        "recipient": f"u{number}@shop.example",
    }
    began = time.monotonic()
    answer = await client.post("/webhooks/mailgun", json={"signature": signed, "event-data": event})
    return answer.status_code, time.monotonic() - began


def are_served(outcomes: list[tuple[int, float]], status: int) -> bool:
    """Return whether every request was answered with this status, in time."""
    seconds = sorted(seconds for _, seconds in outcomes)
    served = sum(found == status for found, _ in outcomes)
    print(f"{served} of {len(outcomes)} served, p99 {seconds[int(len(seconds) * 0.99)]:.2f} s")
    return served == len(outcomes) and seconds[int(len(seconds) * 0.99)] < WITHIN_SECONDS


async def in_turn(send: object, number: int) -> list[tuple[int, float]]:
    """Send so many requests, eight at a time."""
    places, outcomes = asyncio.Semaphore(8), []

    async def one(place: int) -> None:
        async with places:
            outcomes.append(await send(place))  # type: ignore[operator]

    await asyncio.gather(*(one(place) for place in range(number)))
    return outcomes


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/batch", {}),
        ("/v1/interactions", {"Authorization": "Bearer wrong"}),
        ("/webhooks/mailgun", {}),
        ("/nowhere", {}),
    ],
)
async def test_without_a_key(sqlite_url: str, tmp_path: Path, load: Load, path: str, headers: dict[str, str]) -> None:
    """Keyless bodies that never end: every request with a key is served, wherever the slow ones go."""
    async with (
        api_process(sqlite_url, tmp_path / "api.log", other=MAILGUN) as api,
        slow_callers(api.port, head(path, 100_000, headers), load(140, 420)),
    ):
        assert are_served(await in_turn(lambda number: send(api.client, number), HONEST), 200)


async def test_unsigned_webhooks(sqlite_url: str, tmp_path: Path, load: Load) -> None:
    """Slow calls of a webhook from many addresses: the calls of the provider are accepted."""
    async with (
        api_process(sqlite_url, tmp_path / "api.log", other=MAILGUN) as api,
        slow_callers(api.port, head("/webhooks/mailgun", 100_000), load(140, 420), sources=20),
    ):
        assert are_served(await in_turn(lambda number: send_webhook(api.client, number), HONEST), 204)


@pytest.mark.parametrize("path", ["/v1/batch", "/webhooks/mailgun"])
async def test_bodies_that_fill_the_memory(sqlite_url: str, tmp_path: Path, load: Load, path: str) -> None:
    """45 unfinished keyless bodies of 480 KB: bodies of 2 MB with a key find room."""
    start = head(path, 490_000) + b" " * 480_000
    async with (
        api_process(sqlite_url, tmp_path / "api.log", other=MAILGUN) as api,
        slow_callers(api.port, start, load(45, 135), sources=15),
    ):
        outcomes = [await send(api.client, number, padding=2_000_000) for number in range(20)]
        assert are_served(outcomes, 200)
        assert await api.metric("connector_http_body_bytes") < 16 * 1024 * 1024


async def test_one_fast_client_that_fills_the_memory(sqlite_url: str, tmp_path: Path) -> None:
    """12 keyless bodies whose last bytes are missing, sent again and again at full speed: other clients find room."""
    start = head("/webhooks/mailgun", 1024 * 1024) + b" " * (1024 * 1024 - 20)
    async with (
        api_process(sqlite_url, tmp_path / "api.log", other=MAILGUN) as api,
        slow_callers(api.port, start, 12),
    ):
        await until(lambda: _is_full(api), "the memory is full")
        assert are_served([await send_webhook(api.client, number) for number in range(20)], 204)


async def _is_full(api: ApiProcess) -> bool:
    return await api.metric("connector_http_body_bytes", 'pool="webhooks"') > 10_000_000


async def test_with_a_key(sqlite_url: str, tmp_path: Path, load: Load) -> None:
    """A key that leaked: its slow bodies lose their places to those that come whole."""
    start = head("/v1/batch", 100_000, {"Authorization": f"Bearer {LEAKED}"})
    configured = [{"name": str(n), "key": key, "scopes": ALL_SCOPES} for n, key in enumerate((KEY, LEAKED))]
    keys = {"CONNECTOR_API_KEYS": json.dumps(configured)}
    async with (
        api_process(sqlite_url, tmp_path / "api.log", other=keys) as api,
        slow_callers(api.port, start, load(140, 420), sources=20),
    ):
        await until(lambda: _is_crowded(api), "the pool is crowded")
        assert are_served(await in_turn(lambda number: send(api.client, number), HONEST), 200)


async def _is_crowded(api: ApiProcess) -> bool:
    return await api.metric("connector_http_requests_in_flight", 'pool="keyed"') >= 100


async def test_a_refusal_does_not_wait_for_the_body(sqlite_url: str, tmp_path: Path) -> None:
    """Without a key the answer comes at once, before the body."""
    async with api_process(sqlite_url, tmp_path / "api.log") as api:
        for path in ("/v1/batch", "/v1/interactions", "/v1/users/u/inbox-token"):
            reader, writer = await asyncio.open_connection("127.0.0.1", api.port)
            writer.write(head(path, 100_000))
            assert (await asyncio.wait_for(reader.readline(), 5)).split()[1] == b"401"
            writer.close()
