"""The stage for the SDKs."""

from collections.abc import AsyncIterator

import pytest

from connector.store.engine.database import Database
from tests.support.flaky_server import FlakyServer, serve


@pytest.fixture
async def server(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FlakyServer]:
    """A server that fails half of all requests, reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    async with serve(sqlite_database) as ready:
        yield ready
