"""The outbox of launches: a workflow started for every new one, and every other told of the orders that concern it.

The row of a launch is written in the transaction of the order that published it, so that a crash loses nothing; its
workflow id is refused a second time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import structlog
from sqlalchemy import RowMapping
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from connector import names
from connector.store.engine.database import Database
from connector.store.follow_ups.launches import mark_launches_signalled
from connector.temporal.client import launch_arguments
from connector.wire import LaunchStart

_log = structlog.get_logger("outbox")


async def signal_launches(database: Database, workspace: str, client: Client, rows: Sequence[RowMapping]) -> int:
    """Start and signal these rows of `take_to_tell`; returns how many it did. What fails is left to the next sweep.

    Raises:
        StoreUnavailable: the database cannot be reached.
    """
    told: dict[str, int] = {}
    for row in rows:
        try:
            await _tell(client, workspace, row)
        except RPCError as error:
            _log.warning("outbox_retries", launch=row["launch_id"], status=error.status.name)
        else:
            told[row["launch_id"]] = row["changed_in"]
    if told:
        async with database.write(workspace) as tx:
            await mark_launches_signalled(tx, told)
    return len(told)


async def _tell(client: Client, workspace: str, row: RowMapping) -> None:
    start = LaunchStart(workspace=workspace, launch_id=row["launch_id"], campaign=row["campaign"])
    if row["started_at"] is None:
        with suppress(WorkflowAlreadyStartedError):  # an earlier sweep started it and could not mark it
            await client.start_workflow(names.LAUNCH, start, **launch_arguments(start))
            return
    handle = client.get_workflow_handle(names.launch_id(workspace, start.campaign, start.launch_id))
    try:
        await handle.signal(names.LOOK)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended: nothing is left to tell
            raise
