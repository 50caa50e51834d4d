"""One Temporal server for the folder, and a stage for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from tests.support.system import Stage, staged


@pytest.fixture
async def stage(
    environment: WorkflowEnvironment,
    sqlite_database: Database,
    sqlite_url: str,
    tmp_path: Path,
    httpserver: HTTPServer,
) -> AsyncIterator[Stage]:
    """The whole system, for one test."""
    async with staged(environment, sqlite_database, sqlite_url, tmp_path, httpserver) as opened:
        yield opened
