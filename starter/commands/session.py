"""What a command works with: the parts, on a database that has been set up, and the Temporal of `connector dev`."""

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
from starter.dev.dev_file import find_temporal

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end."""
    return asyncio.run(work)


def begin(data: Path | None, *, level: str = "INFO") -> Settings:
    """The settings of a command, with its logs on standard error and `connector dev`'s Temporal found."""
    settings = read_settings(data)
    configure_logs(settings.log_format, level=level)
    find_temporal(settings.data)
    return settings


@asynccontextmanager
async def session(data: Path | None) -> AsyncIterator[AppContext]:
    """The parts for one command.

    Raises:
        NotSetUp: `connector setup` or `connector dev` has not been run.
    """
    settings = begin(data, level="ERROR")
    check_data_folder(settings)
    async with open_context(settings) as context:
        await check_tables(context.database)
        yield context
