"""RudderStack's SDK for Python, against a server that fails half of all requests."""

import asyncio
from typing import Any

from rudderstack.analytics.client import Client

from connector.store.engine.database import Database
from connector.store.users.users import find_user
from tests.support.api import KEY
from tests.support.builders import BASE
from tests.support.flaky_server import EVENTS, FlakyServer, in_campaign, serve_without_faults


def _send(url: str) -> list[Any]:
    """Send everything, packed as it does by default, and return the SDK's own errors."""
    errors: list[Any] = []
    client = Client(KEY, host=url, upload_size=60, upload_interval=0.1, on_error=lambda error, _: errors.append(error))
    client.identify("u", {"email": "u@example.com", "tier": "gold"})
    client.track("u", "Push Notification Received", in_campaign(), timestamp=BASE, message_id="the-trigger")
    for n in range(EVENTS):
        client.track("u", "Song Played", {"n": n})
    order = {"order_id": "o-1", "products": [{"product_id": "shoe-1", "price": 90}]}
    client.track("u", "Order Completed", order, message_id="the-exception")
    client.shutdown()
    return errors


async def test_all_there_and_none_twice(server: FlakyServer) -> None:
    """It tries again after 429, 5xx and a cut line; its traits come in the context."""
    assert await asyncio.to_thread(_send, server.url) == []
    await server.check()
    async with server.installation.database.read("default") as tx:
        found = await find_user(tx, "u")
    assert found is not None
    assert (found.user.email, found.user.attributes) == ("u@example.com", {"tier": "gold"})


def _send_wrong(url: str, key: str, size: int) -> list[Any]:
    errors: list[Any] = []
    client = Client(key, host=url, upload_size=100, on_error=lambda error, _: errors.append(error))
    for n in range(100):
        client.track("u", "Song Played", {"n": n, "words": "x" * size})
    client.shutdown()
    return errors


async def test_what_is_wrong_is_not_tried_again(sqlite_database: Database) -> None:
    """It looks for `code` at the top of an answer, and without it would take a refusal for a fault of the network."""
    async with serve_without_faults(sqlite_database) as server:
        errors = await asyncio.to_thread(_send_wrong, server.url, "wrong", 10)
        assert [(error.status, error.code) for error in errors] == [(401, "unauthorized")]
        errors = await asyncio.to_thread(_send_wrong, server.url, KEY, 6000)
        assert [(error.status, error.code) for error in errors] == [(400, "too_large")]
        assert len(server.unreliable.outcomes) == 2
