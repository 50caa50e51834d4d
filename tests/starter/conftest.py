"""The API in this process on a real database, with Temporal away unless a test says otherwise."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from connector.settings import Settings
from connector.store.database import Database
from starter.api.app import create_app
from starter.api.keys import Keys
from starter.compose import Parts, compose

NOWHERE = "127.0.0.1:1"
KEY = "a key that only the tests know"


@pytest.fixture(autouse=True)
def _temporal_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)


@pytest.fixture
def parts(sqlite_database: Database) -> Parts:
    return compose(Settings(), sqlite_database)


@pytest.fixture
async def api(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid key. No sweep runs."""
    async with open_client(parts) as client:
        yield client


def open_client(parts: Parts, *, key: str | None = KEY, host: str = "127.0.0.1") -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    app = create_app(parts, Keys([KEY]))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}", headers=headers)


@pytest.fixture
def ago() -> Callable[[float], str]:
    """An instant so many minutes ago, in wire form."""

    def instant(minutes: float) -> str:
        return (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()  # noqa: TID251 - a test's "now"

    return instant
