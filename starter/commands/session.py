"""The session of a command that ingests or uses Temporal: settings, logs, and the context on a database set up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from connector.app.configuration import read_settings
from connector.app.context import AppContext, open_context
from connector.app.logs import configure_logs
from connector.app.preflight import check_data_folder, check_tables
from connector.app.temporal_variables import warn_of_slips
from connector.settings.application import Settings
from starter.dev.instance import use_dev_temporal


def start_command(data: Path | None, *, log_level: str = "INFO") -> Settings:
    """Return the settings; configure logs, and use the Temporal of the data folder's `connector dev` if it runs."""
    settings = read_settings(data)
    configure_logs(settings.log_format, level=log_level)
    warn_of_slips()
    use_dev_temporal(settings.data)
    return settings


@asynccontextmanager
async def open_session(data: Path | None) -> AsyncIterator[AppContext]:
    """Open the context of one command.

    Raises:
        NotSetUp: the data folder is missing. WrongTables: the tables do not fit this program.
    """
    settings = start_command(data, log_level="ERROR")
    check_data_folder(settings)
    async with open_context(settings) as context:
        await check_tables(context.database)
        yield context
