"""One Temporal server for the folder, and a stage for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from connector.temporal.client import register_search_attributes
from tests.support.system import Stage, staged
from tests.support.workflow_harness import open_environment


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """The real server, set up as `connector setup` does."""
    async with await open_environment() as started:
        await register_search_attributes(started.client)
        yield started


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
