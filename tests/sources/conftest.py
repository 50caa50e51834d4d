"""The stage for the SDKs."""

from collections.abc import AsyncIterator

import pytest

from connector.store.engine.database import Database
from tests.support.flaky_server import Stage, staged


@pytest.fixture
async def stage(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A server that fails half of all requests, reached without a proxy."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    async with staged(sqlite_database) as ready:
        yield ready
