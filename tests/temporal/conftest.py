"""The real Temporal server with virtual time, one for the session."""

import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.testing import WorkflowEnvironment

from connector.temporal import SEARCH_ATTRIBUTES, connector_plugin

DYNAMIC = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "system.forceSearchAttributesCacheRefreshOnRead": "true",
    "limit.historyCount.suggestContinueAsNew": "60",
}


@pytest.fixture(scope="session")
async def environment() -> AsyncIterator[WorkflowEnvironment]:
    """Virtual time per workflow; continue-as-new is suggested early."""
    binary = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
    words = [word for name, value in DYNAMIC.items() for word in ("--dynamic-config-value", f"{name}={value}")]
    started = await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=binary,
        dev_server_extra_args=words,
        search_attributes=SEARCH_ATTRIBUTES,
        plugins=[connector_plugin()],
    )
    async with started:
        yield started
