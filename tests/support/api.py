"""The API and the command line, run in this process."""

import json
from collections.abc import Callable

import httpx

from connector.app.context import AppContext
from connector.rules.model.api_keys import SERVER_SCOPES
from connector.settings.keys import ConfiguredKey
from starter.api.access.scopes import Keys
from starter.api.app import create_app

NOWHERE = "127.0.0.1:1"
Connector = Callable[..., tuple[int, str, str]]
"""Run the command line; return exit code, standard output and standard error."""

KEY = "a-key-that-only-the-tests-know-of"
ALL_SCOPES = sorted(SERVER_SCOPES)


def configured(*keys: str) -> list[ConfiguredKey]:
    """Return keys of the settings that have every scope of servers."""
    return [ConfiguredKey(name=str(n), key=key, scopes=ALL_SCOPES) for n, key in enumerate(keys, 1)]


KEY_VARIABLE = json.dumps([{"name": "tests", "key": KEY, "scopes": ALL_SCOPES}])
"""The value of CONNECTOR_API_KEYS with `KEY`, which has every scope of servers."""


class Clock:
    """A clock that a test moves."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def open_client(context: AppContext, *, given: str | None = KEY, keys: Keys | None = None) -> httpx.AsyncClient:
    """Return a client of the API that sends this key; the outbox does not run."""
    app = create_app(context, Keys(configured(KEY)) if keys is None else keys)
    headers = {"Authorization": f"Bearer {given}"} if given else {}
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1", headers=headers)
