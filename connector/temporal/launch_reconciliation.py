"""Launches whose workflows were closed by hand: what is left of them ends, and nothing goes on with them.

There are few launches at a time, so that Temporal is asked for each that has not ended, not its visibility. A closed
one is ended first, which a worker that is still at it sees before its next step; then its rows are, page by page. A
message in a worker's hands is left to a later look.
"""

from __future__ import annotations

from datetime import timedelta

import structlog
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from connector import names
from connector.store.engine.database import Database, database_now
from connector.store.follow_ups.launch_ends import end_launch, find_unfinished
from connector.store.follow_ups.launches import LaunchRow, next_due
from connector.store.follow_ups.operating import end_closed

_log = structlog.get_logger("reconciliation")

BY_HAND = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.CANCELED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
)
ATTEMPT_ENDED = timedelta(minutes=2)
"""A claim so old is in nobody's hand any more: an attempt to send has 30 seconds."""
_ROWS = 500


async def end_closed_launches(database: Database, workspace: str, client: Client) -> int:
    """End what is left of launches that were closed by hand; returns how many rows it ended.

    Raises:
        RPCError: Temporal does not answer. StoreUnavailable: the database does not.
    """
    async with database.read(workspace) as tx:
        unfinished = await find_unfinished(tx)
    ended = 0
    for launch in unfinished:
        if launch.ended_at is not None or await _was_closed(database, workspace, client, launch):
            ended += await _end_rows(database, workspace, launch)
    return ended


async def _was_closed(database: Database, workspace: str, client: Client, launch: LaunchRow) -> bool:
    """Whether its newest run was closed by hand; the launch is over then."""
    handle = client.get_workflow_handle(names.launch_id(workspace, launch.campaign, launch.launch_id))
    try:
        status = (await handle.describe()).status
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return False  # Temporal has forgotten it: that is nobody's wish
    if status not in BY_HAND:
        return False
    async with database.write(workspace) as tx:
        await end_launch(tx, launch.launch_id, await database_now(tx))
    failed = status not in (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.CANCELED)
    tell = _log.warning if failed else _log.info  # nobody asked for a failure: look into the history
    tell("launch_was_closed", campaign=launch.campaign, launch=launch.launch_id, status=status.name.lower())
    return True


async def _end_rows(database: Database, workspace: str, launch: LaunchRow) -> int:
    ended, after = 0, ""
    while True:
        async with database.write(workspace) as tx:
            rows = await next_due(tx, launch, after, None, _ROWS)
            now = await database_now(tx)
            ids = [name for _, name, _ in rows]
            gone = await end_closed(tx, ids, claimed_before=now - ATTEMPT_ENDED, now=now)
        ended += len(gone)
        if len(rows) < _ROWS:
            return ended
        after = rows[-1][0]
