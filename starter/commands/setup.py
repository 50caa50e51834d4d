"""`connector setup`: the tables, and the search attributes in Temporal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from temporalio.service import RPCError

from connector.app.context import open_context
from connector.rules.model.errors import ConnectorError
from connector.store.engine.migrate import migrate
from connector.temporal.client import SEARCH_ATTRIBUTES, register_search_attributes
from starter.commands.options import DataOption, JsonOption
from starter.commands.session import begin, run
from starter.terminal import print_json, print_note, print_result


class NotRegistered(ConnectorError):
    """Temporal did not take the search attributes; the tables are up to date all the same."""


def setup(data: DataOption = None, as_json: JsonOption = False) -> None:
    """Bring the database to this version's tables, and register the search attributes in Temporal.

    Can be run again at any time, and should be after every upgrade. `connector dev` does it by itself.

    Examples:

      connector setup

      CONNECTOR_DATABASE_URL=postgresql://connector@db/connector TEMPORAL_ADDRESS=temporal:7233 connector setup
    """
    done = run(_set_up(data))
    if as_json:
        return print_json(done)
    registered = ", ".join(done["registered"]) or "nothing new"
    return print_result(f"Temporal: {registered} registered; searchable are {', '.join(done['search_attributes'])}")


async def _set_up(data: Path | None) -> dict[str, Any]:
    async with open_context(begin(data, level="ERROR")) as context:
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
