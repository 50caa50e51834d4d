"""Segment's SDK for Python, against a server that fails half of all requests."""

import asyncio
from typing import Any

import pytest
from segment.analytics.client import Client

from connector.store.engine.database import Database
from connector.store.users.users import find_user
from tests.support.api import KEY
from tests.support.builders import BASE
from tests.support.flaky_server import EVENTS, FlakyServer, in_campaign, serve_without_faults


def _send(url: str, gzip: bool) -> list[Any]:
    """Send everything, and return the SDK's own errors."""
    errors: list[Any] = []
    client = Client(
        KEY, host=url, gzip=gzip, upload_size=40, upload_interval=0.1, on_error=lambda error, _: errors.append(error)
    )
    client.identify("u", {"email": "u@example.com", "tier": "gold"})
    client.track("u", "Push Notification Received", in_campaign(), timestamp=BASE, message_id="the-trigger")
    for n in range(EVENTS):
        client.track("u", "Song Played", {"n": n})
    order = {"order_id": "o-1", "products": [{"product_id": "shoe-1", "price": 90}]}
    client.track("u", "Order Completed", order, message_id="the-exception")
    client.shutdown()
    return errors


@pytest.mark.parametrize("gzip", [False, True])
async def test_all_there_and_none_twice(server: FlakyServer, gzip: bool) -> None:
    """Whatever the SDK does about a failure: tries again, waits as told, or sends the batch after others."""
    assert await asyncio.to_thread(_send, server.url, gzip) == []
    await server.check()
    async with server.installation.database.read("default") as tx:
        found = await find_user(tx, "u")
    assert found is not None
    assert (found.user.email, found.user.attributes) == ("u@example.com", {"tier": "gold"})


def _send_wrong(url: str, key: str, size: int) -> list[Any]:
    errors: list[Any] = []
    client = Client(key, host=url, upload_size=200, on_error=lambda error, _: errors.append(error))
    for n in range(100):
        client.track("u", "Song Played", {"n": n, "words": "x" * size})
    client.shutdown()
    return errors


async def test_a_wrong_key_is_not_tried_again(sqlite_database: Database) -> None:
    """401 ends it at once, also where the answer comes before the body was sent."""
    async with serve_without_faults(sqlite_database) as server:
        errors = await asyncio.to_thread(_send_wrong, server.url, "wrong", 4000)
        assert [(error.status, error.code) for error in errors] == [(401, "unauthorized")]
        assert len(server.unreliable.outcomes) == 1


async def test_its_largest_batches_are_taken(sqlite_database: Database) -> None:
    """It fills batches until they are just below what the public API takes, by its own measure."""
    async with serve_without_faults(sqlite_database) as server:
        assert await asyncio.to_thread(_send_wrong, server.url, KEY, 32000) == []
        assert await server.numbers() == list(range(100))
