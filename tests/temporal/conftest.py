"""The real Temporal server with virtual time, one for the session."""

from collections.abc import AsyncIterator

import pytest
from temporalio.testing import WorkflowEnvironment

from connector.temporal import register_search_attributes
from tests.temporal.stage import open_environment


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """Virtual time per workflow; continue-as-new is suggested early; set up as `connector setup` does."""
    async with await open_environment() as started:
        await register_search_attributes(started.client)
        yield started
