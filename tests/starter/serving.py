"""The API in this process, for the tests of its routes."""

import httpx

from starter.api.app import create_app
from starter.api.keys import Keys
from starter.compose import Parts

NOWHERE = "127.0.0.1:1"
KEY = "a key that only the tests know"


def open_client(parts: Parts, *, given: str | None = KEY, keys: Keys | None = None) -> httpx.AsyncClient:
    """A client that sends the key `given`; without a sweep of the outbox."""
    app = create_app(parts, Keys([KEY]) if keys is None else keys)
    headers = {"Authorization": f"Bearer {given}"} if given else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=headers)
