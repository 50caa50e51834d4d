"""`connector setup`: creates the tables, and registers the search attributes in Temporal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from temporalio.service import RPCError, RPCStatusCode

from connector.app.context import open_context
from connector.rules.model.errors import ConnectorError
from connector.store.engine.migrate import migrate
from connector.store.engine.revision import NEWEST_REVISION
from connector.temporal.client import EXPECTED_ATTRIBUTES, SEARCH_ATTRIBUTES, register_search_attributes
from connector.temporal.search_attributes import cloud_command
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


def _refusal(error: RPCError, namespace: str) -> str:
    """Return what Temporal refused, and how to register the attributes instead."""
    if error.status is RPCStatusCode.NOT_FOUND:
        way_out = f"create the namespace with `temporal operator namespace create -n {namespace}`, then repeat this"
    else:
        way_out = (
            "repeat this as an administrator, or with `temporal operator search-attribute create`; on Temporal Cloud "
            f"{cloud_command(EXPECTED_ATTRIBUTES, namespace)}"
        )
    return f"Temporal refused the search attributes ({error.status.name}: {error.message}): {way_out}"


def _describe_tables(revision: str) -> str:
    if revision == NEWEST_REVISION:
        return f"the tables are up to date, at revision {revision}"
    known = f"newer than this program, which knows {NEWEST_REVISION} and can use them"
    return f"the tables are of revision {revision}, {known}"


async def _set_up(data: Path | None) -> dict[str, Any]:
    async with open_context(start_command(data, log_level="ERROR")) as context:
        revision = await migrate(context.database)
        print_note(f"database: {_describe_tables(revision)} ({context.database.dialect})")
        try:
            registered = await register_search_attributes(await context.temporal.client())
        except RPCError as error:
            client = await context.temporal.client()
            raise NotRegistered(_refusal(error, client.namespace)) from None
    return {
        "database": context.database.dialect,
        "revision": revision,
        "registered": registered,
        "search_attributes": [key.name for key in SEARCH_ATTRIBUTES],
    }
