"""Compare the store with Temporal: follow-ups that wait in only one of the two.

On an installation that works there are none, but for what is just beginning or ending. After a restore of either from
a backup there are; the recovery corrects them (`connector.temporal.recovery`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import RowMapping
from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from connector import names
from connector.store.engine.database import Database, database_now
from connector.store.follow_ups.recovering import Place, find_started, find_states
from connector.temporal.client import RPC_TIMEOUT

LATE = timedelta(minutes=1)
"""What began or ended within this time may still be on its way to the other: far longer than that takes."""
_PAGE = 1000
_PAUSE_SECONDS = 0.05
"""Between two pages, so that a large comparison leaves Temporal's visibility to others."""
_MAX_CONCURRENT_CALLS = 20


@dataclass(frozen=True)
class Differences:
    """The ids of follow-ups that differ.

    Args:
        lost: open in the store, and Temporal has no workflow of that id.
        closed: open in the store, and the workflow is closed.
        ended: ended in the store, and the workflow still runs.
        unknown: the store has no such follow-up, and its workflow runs.
        is_complete: whether everything was compared; else only as many as the limit allowed.
    """

    lost: Sequence[str] = ()
    closed: Sequence[str] = ()
    ended: Sequence[str] = ()
    unknown: Sequence[str] = ()
    is_complete: bool = True

    @property
    def count(self) -> int:
        """How many follow-ups differ."""
        return len(self.lost) + len(self.closed) + len(self.ended) + len(self.unknown)


class Running:
    """The follow-ups whose workflows run, as visibility lists them; it keeps a hash of each id, which is smaller."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def add(self, page: Sequence[WorkflowExecution]) -> None:
        """Add a page of them."""
        self._hashes.update(hash(follow_up_id_of(execution)) for execution in page)

    def __contains__(self, follow_up_id: str) -> bool:
        return hash(follow_up_id) in self._hashes


async def compare(
    database: Database, workspace: str, client: Client, *, limit: int = 10_000, late: timedelta = LATE
) -> Differences:
    """Return which follow-ups differ; each was looked up in Temporal itself, whose visibility lags behind.

    Args:
        limit: how many follow-ups of each side are compared at most.
        late: leave out what began or ended within this time.

    Raises:
        RPCError: Temporal does not answer. StoreUnavailable: the database does not.
    """
    running, only_there, seen = Running(), list[WorkflowExecution](), 0
    ended, unknown = set[str](), set[str]()
    async for page in list_running(client, workspace):
        seen += len(page)
        running.add(page)
        found_ended, found_unknown = await _not_open(database, workspace, page, late)
        ended |= found_ended
        unknown |= found_unknown
        only_there += [one for one in page if follow_up_id_of(one) in found_ended | found_unknown]
        if seen >= limit:
            break
    still = await describe_all(client, [execution.id for execution in only_there])
    confirmed = {
        names.read_follow_up_id(id)[0]
        for id, one in still.items()
        if one and one.status is WorkflowExecutionStatus.RUNNING
    }
    lost, closed, is_complete = await _only_here(
        database, workspace, client, running, limit if seen < limit else 0, late
    )
    return Differences(
        lost, closed, sorted(ended & confirmed), sorted(unknown & confirmed), is_complete and seen < limit
    )


async def list_running(client: Client, workspace: str) -> AsyncIterator[list[WorkflowExecution]]:
    """Yield the follow-ups of a workspace whose workflows run, in pages."""
    query = (
        f"WorkflowType = '{names.FOLLOW_UP}' AND ExecutionStatus = 'Running'"
        f" AND TaskQueue = '{names.main_queue(workspace)}'"
    )
    listing = client.list_workflows(query, page_size=_PAGE, rpc_timeout=RPC_TIMEOUT)
    while True:
        await listing.fetch_next_page()
        yield list(listing.current_page or ())
        if not listing.next_page_token:
            return
        await asyncio.sleep(_PAUSE_SECONDS)


async def started_rows(database: Database, workspace: str, late: timedelta) -> AsyncIterator[Sequence[RowMapping]]:
    """Yield the open follow-ups whose workflows were started, the oldest time first, in pages."""
    after: Place | None = None
    while True:
        async with database.read(workspace) as tx:
            rows = await find_started(tx, late, _PAGE, after=after)
        if rows:
            yield rows
        if len(rows) < _PAGE:
            return
        after = rows[-1]["next_at"], rows[-1]["id"]


async def describe_all(client: Client, ids: Sequence[str]) -> dict[str, WorkflowExecutionDescription | None]:
    """Return the newest run of each of these workflows; None: Temporal has no such workflow."""
    slots = asyncio.Semaphore(_MAX_CONCURRENT_CALLS)

    async def look_up(id: str) -> WorkflowExecutionDescription | None:
        async with slots:
            return await describe(client, id)

    return dict(zip(ids, await asyncio.gather(*map(look_up, ids)), strict=True))


async def describe(client: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    """Return the newest run of a workflow; None if Temporal has no such workflow."""
    try:
        return await client.get_workflow_handle(workflow_id).describe(rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None


def follow_up_id_of(execution: WorkflowExecution) -> str:
    """Return the id of a workflow's follow-up."""
    return names.read_follow_up_id(execution.id)[0]


def workflow_id_of(workspace: str, row: RowMapping) -> str:
    """Return the id of a follow-up's workflow."""
    return names.follow_up_id(workspace, row["campaign"], row["user_key"], row["id"], row["resends"])


async def _not_open(
    database: Database, workspace: str, page: Sequence[WorkflowExecution], late: timedelta
) -> tuple[set[str], set[str]]:
    """Return which of these running follow-ups have ended in the store, and which it does not have."""
    async with database.read(workspace) as tx:
        before = await database_now(tx) - late
        known = await find_states(tx, [follow_up_id_of(execution) for execution in page], before)
    old = {follow_up_id_of(execution) for execution in page if _started_at(execution) < before}
    return {id for id, has_ended in known.items() if has_ended}, old - known.keys()


def _started_at(execution: WorkflowExecution) -> datetime:
    return execution.start_time.astimezone(UTC)


async def _only_here(
    database: Database, workspace: str, client: Client, running: Running, limit: int, late: timedelta
) -> tuple[list[str], list[str], bool]:
    """Return the open follow-ups whose workflows are lost or closed, and whether all were compared."""
    lost: list[str] = []
    closed: list[str] = []
    seen = 0
    async for rows in started_rows(database, workspace, late):
        if seen >= limit:
            return lost, closed, False
        seen += len(rows)
        absent = {workflow_id_of(workspace, row): row["id"] for row in rows if row["id"] not in running}
        for workflow_id, described in (await describe_all(client, list(absent))).items():
            if described is None:
                lost.append(absent[workflow_id])
            elif described.status is not WorkflowExecutionStatus.RUNNING:
                closed.append(absent[workflow_id])
    return lost, closed, True
