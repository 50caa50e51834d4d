"""The embedded Temporal server that everything is measured on."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from connector.temporal import SEARCH_ATTRIBUTES, connector_plugin


@asynccontextmanager
async def served() -> AsyncIterator[Client]:
    """A client of a dev server of its own, in memory, without UI."""
    beside = Path(sys.executable).parent
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=shutil.which("temporal", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}"),
        dev_server_log_level="error",
        search_attributes=SEARCH_ATTRIBUTES,
        plugins=[connector_plugin()],
    ) as environment:
        yield environment.client
