"""The recovery: corrects what differs between the store and Temporal because one of them was restored from a backup.

| restored | what differs | what happens |
|---|---|---|
| Temporal | a follow-up waits, and its workflow is gone | a minute after its time, its workflow is started again |
| Temporal | a workflow waits, and its follow-up has ended | its send finds that, and the workflow ends |
| the store | a follow-up waits, and its workflow has completed | it ends as its workflow did |
| the store | a workflow waits, and its follow-up is gone | its send finds nothing, and the workflow ends |

A workflow that is started again sends at most once all the same: the claim is unique (guarantee 4), and what Temporal
still knows under the workflow's id, it does not start again. The first run after a start compares everything that
waits; later ones look up what is overdue, so that their number does not grow with what waits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

import structlog
from sqlalchemy import RowMapping
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus

from connector import names
from connector.rules.model.reasons import Reason, State
from connector.rules.sending.recovering import CompletedWorkflow
from connector.store.engine.database import Database, database_now
from connector.store.follow_ups.launches import find_unfinished
from connector.store.follow_ups.recovering import (
    Place,
    end_completed,
    find_started,
    forget_launch_start,
    forget_starts,
)
from connector.temporal.client import RPC_TIMEOUT
from connector.temporal.comparison import (
    LATE,
    Running,
    describe,
    describe_all,
    list_running,
    started_rows,
    workflow_id_of,
)

_log = structlog.get_logger("recovery")
_ABANDONED_CLAIM_AGE = timedelta(minutes=15)
"""No attempt holds a claim of this age any more: an attempt to send has 10 minutes."""
_ROWS_PER_RUN = 500


class Recovery:
    """Looks up what is overdue, page by page, for one workspace.

    Args:
        late: leave out what began, or whose time passed, within this time.
    """

    def __init__(self, database: Database, workspace: str, *, late: timedelta = LATE) -> None:
        self._database, self._workspace, self._late = database, workspace, late
        self._after: Place | None = None
        self._is_compared = False

    async def recover(self, client: Client) -> int:
        """Recover everything in the first run, then the next page of what is overdue; return how many rows changed.

        Raises:
            RPCError: Temporal does not answer. StoreUnavailable: the database does not.
        """
        if self._is_compared:
            return await self._recover_overdue(client) + await self._recover_launches(client)
        running = Running()
        async for page in list_running(client, self._workspace):
            running.add(page)
        recovered = 0
        async for rows in started_rows(self._database, self._workspace, self._late):
            recovered += await self._recover(client, [row for row in rows if row["id"] not in running])
        self._is_compared = True
        return recovered + await self._recover_launches(client)

    async def _recover_overdue(self, client: Client) -> int:
        async with self._database.read(self._workspace) as tx:
            rows = await find_started(tx, self._late, _ROWS_PER_RUN, is_overdue=True, after=self._after)
        self._after = (rows[-1]["next_at"], rows[-1]["id"]) if len(rows) == _ROWS_PER_RUN else None
        return await self._recover(client, rows)

    async def _recover(self, client: Client, rows: Sequence[RowMapping]) -> int:
        """Recover those of these follow-ups whose workflows are gone or have completed."""
        by_workflow = {workflow_id_of(self._workspace, row): row for row in rows}
        lost: list[RowMapping] = []
        completed: dict[str, CompletedWorkflow] = {}
        for workflow_id, described in (await describe_all(client, list(by_workflow))).items():
            if described is None:
                lost.append(by_workflow[workflow_id])
            elif described.status is WorkflowExecutionStatus.COMPLETED:
                completed[by_workflow[workflow_id]["id"]] = await _result_of(client, described)
        return await self._end(completed) + await self._start_again(lost)

    async def _end(self, completed: Mapping[str, CompletedWorkflow]) -> int:
        if not completed:
            return 0
        async with self._database.write(self._workspace) as tx:
            ended = await end_completed(tx, completed, await database_now(tx))
        for id, state in ended.items():
            _log.warning("follow_up_restored", follow_up=id, state=state.value)
        return len(ended)

    async def _start_again(self, lost: Sequence[RowMapping]) -> int:
        """Have the outbox start these again, but for those of which an attempt may still hold a claim."""
        if not lost:
            return 0
        async with self._database.write(self._workspace) as tx:
            before = await database_now(tx) - _ABANDONED_CLAIM_AGE
            ids = [row["id"] for row in lost if row["dispatched_at"] is None or row["dispatched_at"] < before]
            count = await forget_starts(tx, ids)
        if count:
            note = "Temporal does not know their workflows, which start again"
            _log.warning("workflows_lost", follow_ups=count, first=ids[0], note=note)
        return count

    async def _recover_launches(self, client: Client) -> int:
        async with self._database.read(self._workspace) as tx:
            unfinished = [launch for launch in await find_unfinished(tx) if launch.ended_at is None]
        recovered = 0
        for launch in unfinished:
            if await describe(client, names.launch_id(self._workspace, launch.campaign, launch.launch_id)) is not None:
                continue
            async with self._database.write(self._workspace) as tx:
                starts_again = await forget_launch_start(tx, launch.launch_id, self._late)
            if starts_again:
                recovered += 1
                _log.warning("launch_lost", campaign=launch.campaign, launch=launch.launch_id)
        return recovered


async def _result_of(client: Client, described: WorkflowExecutionDescription) -> CompletedWorkflow:
    """Return the result of a workflow, of whatever version."""
    handle = client.get_workflow_handle(described.id, run_id=described.run_id)
    result: Any = await handle.result(rpc_timeout=RPC_TIMEOUT)
    if isinstance(result, str):
        result = {"state": result}
    return CompletedWorkflow(
        state=State(result["state"]),
        reason=Reason(result["reason"]) if result.get("reason") else None,
        channels=tuple(result.get("channels") or ()),
        closed_at=(described.close_time or described.start_time).astimezone(UTC),
    )
