"""`connector setup`: the tables, and the search attributes in Temporal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from connector.logs import configure_logs
from connector.store.migrate import migrate
from connector.temporal import SEARCH_ATTRIBUTES, register_search_attributes
from starter.commands.session import DataOption, JsonOption, run
from starter.compose import opened
from starter.configuration import read_settings
from starter.dev_file import find_temporal
from starter.terminal import say, say_json, tell


def setup(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Bring the database to this version's tables, and register the search attributes in Temporal.

    Can be run again at any time, and should be after every upgrade. `connector dev` does it by itself.

    Examples:

      connector setup

      CONNECTOR_DATABASE_URL=postgresql://connector@db/connector TEMPORAL_ADDRESS=temporal:7233 connector setup
    """
    done = run(_set_up(data))
    if as_json:
        return say_json(done)
    registered = ", ".join(done["registered"]) or "nothing new"
    return say(f"Temporal: {registered} registered; searchable are {', '.join(done['search_attributes'])}")


async def _set_up(data: Path | None) -> dict[str, Any]:
    settings = read_settings(data)
    configure_logs(settings.log_format, level="ERROR")
    find_temporal(settings.data)
    async with opened(settings) as parts:
        await migrate(parts.database)
        tell(f"database: the tables of workspace {parts.workspace} are up to date ({parts.database.dialect})")
        registered = await register_search_attributes(await parts.temporal.client())
    return {
        "database": parts.database.dialect,
        "registered": registered,
        "search_attributes": [key.name for key in SEARCH_ATTRIBUTES],
    }
