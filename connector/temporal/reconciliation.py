"""The reconciliation: ends the rows of follow-ups and launches whose workflows were closed in Temporal itself.

An operator who terminates a follow-up in the UI wants it gone: its row ends as `cancelled_by_operator`, and nothing
starts it again; for a launch, all its open rows end so. Each run queries what was closed since the previous run; the
first run after a start queries everything that Temporal still keeps, which covers any time without a worker.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from connector import names
from connector.rules.model.audit import IN_TEMPORAL, Act, AuditAction
from connector.store.audit import record_audit
from connector.store.engine.database import Database, StoreUnavailable, database_now
from connector.store.follow_ups.ending import end_closed, find_open_resends
from connector.store.follow_ups.launches import LaunchRow, end_launch, find_unfinished, load_due_rows
from connector.temporal.client import RPC_TIMEOUT, ClientSource, get_client
from connector.temporal.comparison import LATE
from connector.temporal.connection_faults import describe_outage
from connector.temporal.recovery import Recovery

_log = structlog.get_logger("reconciliation")

_BY_OPERATOR = (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.CANCELED)
_CLOSED_STATUSES = (*_BY_OPERATOR, WorkflowExecutionStatus.FAILED, WorkflowExecutionStatus.TIMED_OUT)
_STATUSES_IN_QUERIES = ("Terminated", "Canceled", "Failed", "TimedOut")
_ABANDONED_CLAIM_AGE = timedelta(minutes=15)
"""No attempt holds a claim of this age any more: an attempt to send has 10 minutes."""
_OVERLAP = timedelta(minutes=10)
"""Visibility is eventually consistent, and its clock is not the database's."""
_WORKFLOWS_PER_PAGE = 1000
_LAUNCH_ROWS_PER_PAGE = 500
_MAX_CONCURRENT_CALLS = 20


class Reconciliation:
    """Brings the store up to date with what operators closed in Temporal, for one workspace.

    Args:
        client: Temporal's client, or a way to get it: the reconciliation may start before Temporal does.
        every_seconds: the pause between two runs.
        late: how long after its time a follow-up is looked up in Temporal.
    """

    def __init__(
        self,
        database: Database,
        workspace: str,
        client: ClientSource,
        *,
        every_seconds: float = 60.0,
        late: timedelta = LATE,
    ) -> None:
        self._database, self._workspace, self._client = database, workspace, client
        self._every_seconds = every_seconds
        self._last_run_at: datetime | None = None
        self._recovery = Recovery(database, workspace, late=late)

    async def run(self, stopped: asyncio.Event) -> None:
        """Reconcile until `stopped`. If Temporal or the database is down, log that; the next run covers the gap."""
        while not stopped.is_set():
            try:
                await self.reconcile()
            except (RPCError, StoreUnavailable, RuntimeError, OSError) as error:
                _log.warning("reconciliation_failed", error=type(error).__name__, reason=describe_outage(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self._every_seconds)

    async def reconcile(self) -> int:
        """End the rows of follow-ups and launches that were closed since the last run, and recover what a restore lost.

        Returns how many rows changed.

        Raises:
            RPCError: Temporal does not answer. StoreUnavailable: the database does not.
        """
        client = await get_client(self._client)
        async with self._database.read(self._workspace) as tx:
            began_at = await database_now(tx)
        ended = 0
        async for page in self._closed_workflows(client):
            ended += await self._end_follow_ups(client, page)
        self._last_run_at = began_at
        ended += await end_closed_launches(self._database, self._workspace, client)
        return ended + await self._recovery.recover(client)

    async def _closed_workflows(self, client: Client) -> AsyncIterator[dict[tuple[str, int], WorkflowExecution]]:
        """Yield the closed workflows in pages, each by its follow-up and the number of the resend."""
        listing = client.list_workflows(self._query(), page_size=_WORKFLOWS_PER_PAGE, rpc_timeout=RPC_TIMEOUT)
        prefix = names.follow_up_id(self._workspace, "", "", "").rstrip("/") + "/"
        while True:
            await listing.fetch_next_page()
            page = [closed for closed in listing.current_page or () if closed.id.startswith(prefix)]
            if page:
                yield {names.read_follow_up_id(closed.id): closed for closed in page}
            if not listing.next_page_token:
                return

    def _query(self) -> str:
        statuses = ", ".join(f"'{status}'" for status in _STATUSES_IN_QUERIES)
        query = (
            f"WorkflowType = '{names.FOLLOW_UP}' AND ExecutionStatus IN ({statuses})"
            f" AND TaskQueue = '{names.main_queue(self._workspace)}'"
        )
        if self._last_run_at is None:
            return query
        since = (self._last_run_at - _OVERLAP).astimezone(UTC)
        return f"{query} AND CloseTime > '{since.isoformat()}'"

    async def _end_follow_ups(self, client: Client, page: Mapping[tuple[str, int], WorkflowExecution]) -> int:
        async with self._database.read(self._workspace) as tx:
            still_open = (await find_open_resends(tx, {id for id, _ in page})).items()
        closed = await _without_successor(client, [page[one] for one in still_open if one in page])
        if not closed:
            return 0
        async with self._database.write(self._workspace) as tx:
            now = await database_now(tx)
            claimed_before = now - _ABANDONED_CLAIM_AGE
            ended = await end_closed(tx, closed, claimed_before=claimed_before, now=now)
            by_operator = [one for one in ended if closed[one.id] in _BY_OPERATOR]
            acts = [_closing(one.user_key, closed[one.id], campaign=one.campaign) for one in by_operator]
            await record_audit(tx, IN_TEMPORAL, *acts)
        for follow_up in ended:
            _log_closed(
                closed[follow_up.id], follow_up=follow_up.id, state=follow_up.state.value, reason=follow_up.reason
            )
        return len(ended)


async def _without_successor(
    client: Client, executions: Collection[WorkflowExecution]
) -> dict[str, WorkflowExecutionStatus]:
    """Return the status by follow-up of those whose newest run is closed: a reset closes one run and begins another.

    Each is looked up in Temporal, not in its visibility; there are few, because most rows have ended.
    """
    slots = asyncio.Semaphore(_MAX_CONCURRENT_CALLS)
    closed: dict[str, WorkflowExecutionStatus] = {}

    async def check(execution: WorkflowExecution) -> None:
        async with slots:
            # None: past its retention since it was listed, when it was closed.
            status = await _newest_status(client, execution.id) or execution.status
        if status is not None and status in _CLOSED_STATUSES:
            closed[names.read_follow_up_id(execution.id)[0]] = status

    await asyncio.gather(*(check(execution) for execution in executions))
    return closed


async def end_closed_launches(database: Database, workspace: str, client: Client) -> int:
    """End the open rows of launches whose workflows were closed in Temporal; return how many rows ended.

    Few launches run at a time, so each is looked up in Temporal, not in its visibility. A closed launch is ended
    first, which a worker that still sends for it sees before its next step; then its rows end, page by page. A message
    that is claimed is left to a later run.

    Raises:
        RPCError: Temporal does not answer. StoreUnavailable: the database does not.
    """
    async with database.read(workspace) as tx:
        unfinished = await find_unfinished(tx)
    ended = 0
    for launch in unfinished:
        if launch.ended_at is not None or await _end_if_closed(database, workspace, client, launch):
            ended += await _end_launch_rows(database, workspace, launch)
    return ended


async def _end_if_closed(database: Database, workspace: str, client: Client, launch: LaunchRow) -> bool:
    """End the launch if the newest run of its workflow is closed, and return whether it is."""
    status = await _newest_status(client, names.launch_id(workspace, launch.campaign, launch.launch_id))
    if status is None or status not in _CLOSED_STATUSES:  # what Temporal has forgotten, no operator closed
        return False
    async with database.write(workspace) as tx:
        await end_launch(tx, launch.launch_id, await database_now(tx))
        if status in _BY_OPERATOR:
            await record_audit(tx, IN_TEMPORAL, _closing(launch.campaign, status, launch=launch.launch_id))
    _log_closed(status, campaign=launch.campaign, launch=launch.launch_id)
    return True


async def _end_launch_rows(database: Database, workspace: str, launch: LaunchRow) -> int:
    ended, after = 0, ""
    while True:
        async with database.write(workspace) as tx:
            rows = await load_due_rows(tx, launch, after, None, _LAUNCH_ROWS_PER_PAGE)
            now = await database_now(tx)
            ids = [row.id for row in rows]
            claimed_before = now - _ABANDONED_CLAIM_AGE
            ended += len(await end_closed(tx, ids, claimed_before=claimed_before, now=now))
        if len(rows) < _LAUNCH_ROWS_PER_PAGE:
            return ended
        after = rows[-1].user_key


async def _newest_status(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    """Return the status of the newest run of a workflow; None if Temporal has no such workflow."""
    try:
        return (await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)).status
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


def _closing(subject: str, status: WorkflowExecutionStatus, **details: str) -> Act:
    return Act(AuditAction.CANCEL, subject, {**details, "workflow": status.name.lower()})


def _log_closed(status: WorkflowExecutionStatus, **facts: object) -> None:
    """Log a workflow that was closed; a failure or a timeout is no operator's decision, and needs investigation."""
    if status in _BY_OPERATOR:
        _log.info("workflow_closed", status=status.name.lower(), **facts)
    else:
        _log.warning("workflow_failed", status=status.name.lower(), **facts)
