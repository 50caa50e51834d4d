"""`connector setup`: creates the tables, and registers the search attributes in Temporal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from temporalio.service import RPCError

from connector.app.context import open_context
from connector.rules.model.errors import ConnectorError
from connector.store.engine.migrate import migrate
from connector.temporal.client import SEARCH_ATTRIBUTES, register_search_attributes
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import start_command
from starter.commands.store_session import run
from starter.terminal import print_json, print_note, print_result


class NotRegistered(ConnectorError):
    """Temporal refused the search attributes. The tables are up to date nevertheless."""


def setup(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Bring the database to this version's tables, and register the search attributes in Temporal.

    Run it before the first start and after every upgrade; it can be repeated. `connector dev` does the same.

    Examples:

      connector setup

      CONNECTOR_DATABASE_URL=postgresql://connector@db/connector TEMPORAL_ADDRESS=temporal:7233 connector setup
    """
    result = run(_set_up(data))
    if as_json:
        return print_json(result)
    registered = ", ".join(result["registered"]) or "nothing new"
    return print_result(f"Temporal: {registered} registered; searchable are {', '.join(result['search_attributes'])}")


async def _set_up(data: Path | None) -> dict[str, Any]:
    async with open_context(start_command(data, log_level="ERROR")) as context:
        await migrate(context.database)
        print_note(f"database: the tables are up to date ({context.database.dialect})")
        try:
            registered = await register_search_attributes(await context.temporal.client())
        except RPCError as error:
            problem = f"Temporal refused the search attributes ({error.status.name}): {error.message}"
            raise NotRegistered(problem) from None
    return {
        "database": context.database.dialect,
        "registered": registered,
        "search_attributes": [key.name for key in SEARCH_ATTRIBUTES],
    }
