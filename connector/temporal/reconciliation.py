"""The reconciliation: follow-ups and launches whose workflows were closed by hand in Temporal end in the store too.

Whoever terminates a follow-up in the UI wants it gone: its row ends as `cancelled_by_operator`, and nothing starts it
again. Of a launch, all rows that are left end so. A look asks Temporal for what was closed since the last one; the
first look after a start asks for all that Temporal still keeps, so that no time without a worker is missed.
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
from connector.rules.model.follow_up import FollowUp
from connector.store.engine.database import Database, StoreUnavailable, database_now
from connector.store.follow_ups.operating import end_closed, find_open
from connector.temporal.launch_reconciliation import ATTEMPT_ENDED, BY_HAND, end_closed_launches

_log = structlog.get_logger("reconciliation")

_OVERLAP = timedelta(minutes=10)
"""Visibility is eventually consistent, and its clock is not the database's."""
_PAGE = 1000
_AT_ONCE = 20
_IN_QUERIES = ("Terminated", "Canceled", "Failed", "TimedOut")


class Reconciliation:
    """Brings the store to what operators did in Temporal, for one workspace.

    Args:
        every_seconds: how long it rests between two looks.
    """

    def __init__(self, database: Database, workspace: str, client: Client, *, every_seconds: float = 60.0) -> None:
        self._database, self._workspace, self._client = database, workspace, client
        self._every_seconds = every_seconds
        self._looked_at: datetime | None = None

    async def run(self, stopped: asyncio.Event) -> None:
        """Look until `stopped`. Temporal or the database being away is logged; the next look goes back as far."""
        while not stopped.is_set():
            try:
                await self.look()
            except (RPCError, StoreUnavailable, RuntimeError, OSError) as error:
                _log.warning("reconciliation_waits", error=type(error).__name__)
            with suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), self._every_seconds)

    async def look(self) -> int:
        """End the rows of what was closed by hand since the last look; returns how many it ended.

        Raises:
            RPCError: Temporal does not answer. StoreUnavailable: the database does not.
        """
        async with self._database.read(self._workspace) as tx:
            began = await database_now(tx)
        ended = 0
        async for page in self._closed():
            ended += await self._end(page)
        self._looked_at = began
        return ended + await end_closed_launches(self._database, self._workspace, self._client)

    async def _closed(self) -> AsyncIterator[dict[str, WorkflowExecution]]:
        """The workflows that were closed by hand, by their follow-ups' ids, in pages."""
        found = self._client.list_workflows(self._query(), page_size=_PAGE)
        prefix = names.follow_up_id(self._workspace, "", "", "").rstrip("/") + "/"
        while True:
            await found.fetch_next_page()
            page = [closed for closed in found.current_page or () if closed.id.startswith(prefix)]
            if page:
                yield {closed.id.rpartition("/")[2]: closed for closed in page}
            if not found.next_page_token:
                return

    def _query(self) -> str:
        statuses = ", ".join(f"'{status}'" for status in _IN_QUERIES)
        query = (
            f"WorkflowType = '{names.FOLLOW_UP}' AND ExecutionStatus IN ({statuses})"
            f" AND TaskQueue = '{names.main_queue(self._workspace)}'"
        )
        if self._looked_at is None:
            return query
        since = (self._looked_at - _OVERLAP).astimezone(UTC)
        return f"{query} AND CloseTime > '{since.isoformat()}'"

    async def _end(self, page: Mapping[str, WorkflowExecution]) -> int:
        async with self._database.read(self._workspace) as tx:
            still_open = await find_open(tx, page)
        gone = await self._without_successor([page[name] for name in still_open])
        if not gone:
            return 0
        async with self._database.write(self._workspace) as tx:
            now = await database_now(tx)
            ended = await end_closed(tx, gone, claimed_before=now - ATTEMPT_ENDED, now=now)
        _tell(ended, gone)
        return len(ended)

    async def _without_successor(self, closed: Collection[WorkflowExecution]) -> dict[str, WorkflowExecutionStatus]:
        """Those whose newest run was closed by hand: a reset closes one run and begins another.

        Temporal is asked for each, not its visibility; these are few, for most rows have ended.
        """
        free = asyncio.Semaphore(_AT_ONCE)
        gone: dict[str, WorkflowExecutionStatus] = {}

        async def one(execution: WorkflowExecution) -> None:
            async with free:
                status = await self._newest_status(execution)
            if status in BY_HAND:
                gone[execution.id.rpartition("/")[2]] = status

        await asyncio.gather(*(one(execution) for execution in closed))
        return gone

    async def _newest_status(self, execution: WorkflowExecution) -> WorkflowExecutionStatus | None:
        try:
            return (await self._client.get_workflow_handle(execution.id).describe()).status
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return execution.status  # past its retention since it was listed


def _tell(ended: Collection[FollowUp], gone: Mapping[str, WorkflowExecutionStatus]) -> None:
    for follow_up in ended:
        status = gone[follow_up.id]
        by_hand = status in (WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.CANCELED)
        tell = _log.info if by_hand else _log.warning  # nobody asked for the others: look into the history
        tell(
            "workflow_was_closed",
            follow_up=follow_up.id,
            status=status.name.lower(),
            state=follow_up.state.value,
            reason=follow_up.reason,
        )
