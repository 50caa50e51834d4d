"""The session of a command: its settings, its logs, and the context on a database that has been set up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from connector.app.configuration import read_settings
from connector.app.context import AppContext, open_context
from connector.app.logs import configure_logs
from connector.app.preflight import check_data_folder, check_tables
from connector.settings.application import Settings
from starter.dev.instance import use_dev_temporal

T = TypeVar("T")

READ_SECONDS = 24 * 3600.0
"""The deadline of what a command reads over many rows: its user can interrupt it."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine and return its result."""
    return asyncio.run(work)


def start_command(data: Path | None, *, log_level: str = "INFO") -> Settings:
    """Return the settings; configure logs, and use the Temporal of the data folder's `connector dev` if it runs."""
    settings = read_settings(data)
    configure_logs(settings.log_format, level=log_level)
    use_dev_temporal(settings.data)
    return settings


@asynccontextmanager
async def open_session(data: Path | None) -> AsyncIterator[AppContext]:
    """Open the context of one command.

    Raises:
        NotSetUp: neither `connector setup` nor `connector dev` has been run.
    """
    settings = start_command(data, log_level="ERROR")
    check_data_folder(settings)
    async with open_context(settings) as context:
        await check_tables(context.database)
        yield context
