"""The parts on a real database, with Temporal away unless a test says otherwise."""

from collections.abc import AsyncIterator

import httpx
import pytest

from connector.settings import Settings
from connector.store.database import Database
from starter.compose import Parts, compose
from tests.starter.serving import NOWHERE, open_client


@pytest.fixture(autouse=True)
def _temporal_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", NOWHERE)


@pytest.fixture
def parts(sqlite_database: Database) -> Parts:
    """What the edges work with."""
    return compose(Settings(), sqlite_database)


@pytest.fixture
async def api(parts: Parts) -> AsyncIterator[httpx.AsyncClient]:
    """A client with a valid key."""
    async with open_client(parts) as client:
        yield client
