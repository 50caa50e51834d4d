"""The whole system for attacks that go through all of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from tests.support.system import System, running_system


@pytest.fixture
async def system(
    environment: WorkflowEnvironment,
    sqlite_database: Database,
    sqlite_url: str,
    tmp_path: Path,
    httpserver: HTTPServer,
) -> AsyncIterator[System]:
    """The whole system, for one test."""
    async with running_system(environment, sqlite_database, sqlite_url, tmp_path, httpserver) as opened:
        yield opened
