"""The real Temporal server with virtual time, one for the session."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from connector.store.engine.database import Database
from connector.temporal.client import register_search_attributes
from tests.support.workflow_harness import open_environment
from tests.support.workspace import Shop, settings_for, working


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """Virtual time per workflow; continue-as-new is suggested early; set up as `connector setup` does."""
    async with await open_environment() as started:
        await register_search_attributes(started.client)
        yield started


@pytest.fixture
async def shop(
    environment: WorkflowEnvironment, sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> AsyncIterator[Shop]:
    """The shop with its worker running, in real time."""
    opened = Shop(sqlite_database, environment)
    with environment.with_time_skipping_disabled():
        async with working(environment, settings_for(opened.workspace, sqlite_url, tmp_path)):
            yield opened
