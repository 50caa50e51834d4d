"""The session of a command that only reads or writes the store; it imports neither Temporal's SDK nor structlog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from connector.app.configuration import read_settings
from connector.app.preflight import check_data_folder, check_tables
from connector.app.store_context import StoreContext, open_store_context
from connector.app.uncaught import log_task_fault, log_uncaught
from connector.settings.application import Settings

T = TypeVar("T")

READ_SECONDS = 24 * 3600.0
"""The deadline for reading many rows in a command, which its user can interrupt."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine and return its result."""
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(log_task_fault)
        return runner.run(work)


@asynccontextmanager
async def open_store(data: Path | None) -> AsyncIterator[StoreContext]:
    """Open the store for one command.

    Raises:
        NotSetUp: the data folder is missing. WrongTables: the tables do not fit this program.
    """
    settings = read_settings(data)
    configure_store_logs(settings)
    check_data_folder(settings)
    async with open_store_context(settings) as context:
        await check_tables(context.database)
        yield context


def configure_store_logs(settings: Settings) -> None:
    """Configure the logs of a command that hardly logs anything: errors, once there is one."""
    logging.basicConfig(handlers=[_FirstRecord(settings)], level=logging.ERROR, force=True)
    log_uncaught()


class _FirstRecord(logging.Handler):
    """Configures the logs with the first record, because few commands log anything: only errors of libraries."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def emit(self, record: logging.LogRecord) -> None:
        from connector.app.logs import configure_logs  # this import takes a tenth of a short command's time

        configure_logs(self._settings.log_format, level="ERROR")
        logging.getLogger().handle(record)
