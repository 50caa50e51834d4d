"""The outbox: starts a workflow for every new row, and signals the workflow of every row that changed from outside.

A row whose call fails stays unmarked in the store for a later sweep, so that nothing is lost while Temporal is down
(guarantee 6). The row of a launch is written in the transaction of the order that published it; Temporal refuses its
workflow id a second time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy import RowMapping
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from connector import names, tracing
from connector.metrics import OUTBOX_CALLS
from connector.rules.model.reasons import Reason
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.outbox import (
    find_launches_to_signal,
    find_moved,
    find_to_signal,
    find_to_start,
    mark_launches_signalled,
    mark_moves_signalled,
    mark_signalled,
    mark_started,
)
from connector.store.follow_ups.renaming import rename_erased
from connector.temporal.client import RPC_TIMEOUT, ClientSource, get_client
from connector.temporal.comparison import workflow_id_of
from connector.temporal.connection_faults import describe_outage
from connector.temporal.page import UNANSWERED, Page
from connector.temporal.rest import REFUSALS, Rest
from connector.temporal.starting import launch_arguments, start_arguments
from connector.wire import FollowUpEnd, FollowUpMove, FollowUpStart, LaunchStart

_log = structlog.get_logger("outbox")
_CALLS_WHILE_BUSY = 100
_CALL_INTERVAL_SECONDS = 1.0
"""While this process ingests, it makes at most so many signals per interval, and so many starts of follow-ups that are
not due soon; it makes the rest when it is idle."""
_SOON = timedelta(minutes=1)
"""What is due within this time is started at once, however busy this process is: far longer than a sweep takes."""
_PAUSE_AFTER_FAILURE_SECONDS = 1.0
"""A nudge does not shorten this pause: while Temporal is down, not every ingested batch queries the store again."""
_Call = Callable[[Client, str, RowMapping], Awaitable[None]]
_Mark = Callable[[Transaction, Sequence[str]], Awaitable[None]]


class Outbox:
    """Brings Temporal up to date with the store, for one workspace.

    Args:
        client: Temporal's client, or a way to get it: the outbox may start before Temporal does.
        sweep_seconds: the pause between two sweeps if nothing nudges the outbox.
        idle: clear while this process ingests batches, which limits calls that can wait; None: no limit.
    """

    def __init__(
        self,
        database: Database,
        workspace: str,
        client: ClientSource,
        *,
        sweep_seconds: float = 5.0,
        idle: asyncio.Event | None = None,
    ) -> None:
        self._database, self._workspace, self._client = database, workspace, client
        self._sweep_seconds, self._min_age = sweep_seconds, timedelta(seconds=2 * sweep_seconds)
        self._nudged, self._idle = asyncio.Event(), idle
        self._next_calls_at: float | None = None
        self._rest = Rest()

    @property
    def refusal(self) -> str | None:
        """What Temporal answers to every start of a workflow, so that the outbox rests; None: it does not rest."""
        return self._rest.refusal

    def nudge(self) -> None:
        """Start the next sweep now."""
        self._nudged.set()

    async def run(self, stopped: asyncio.Event) -> None:
        """Sweep until `stopped`. If Temporal or the database is down, log that and try again.

        Code that adds follow-ups nudges the outbox of its own process, which starts them. Other sweeps leave new
        follow-ups to that process for two sweeps: otherwise an API and a worker would both start every follow-up.
        """
        is_complete = True  # the first sweep: it covers the time before this process
        while not stopped.is_set():
            is_complete = is_complete or self._nudged.is_set()
            was_busy = self._is_busy
            self._nudged.clear()
            try:
                done = await self.flush(min_age=None if is_complete else self._min_age)
            except (RPCError, StoreUnavailable, RuntimeError, OSError) as error:
                _log.warning("outbox_failed", error=type(error).__name__, reason=describe_outage(error))
                await _wait_for_any(stopped, seconds=min(_PAUSE_AFTER_FAILURE_SECONDS, self._sweep_seconds))
                continue
            if done == 0:
                idle = [self._idle] if self._idle is not None and was_busy else []
                is_complete = is_complete and was_busy  # calls that can wait are left
                await _wait_for_any(stopped, self._nudged, *idle, seconds=self._sweep_seconds)

    async def flush(self, limit: int = 1000, *, min_age: timedelta | None = None) -> int:
        """Start and signal workflows, at most `limit` of each, the oldest due first; return for how many rows.

        Args:
            min_age: start only follow-ups that have been in the store for that long; None: all.

        Raises:
            RPCError: Temporal does not answer, or refuses every signal. StoreUnavailable: the database does not answer.
        """
        patient = self._limit_of_patient(limit)
        due_within = None if patient else _SOON
        async with self._database.read(self._workspace) as tx:
            to_signal = await find_to_signal(tx, patient) if patient else []
            moved = await find_moved(tx, patient) if patient else []
            to_start: Sequence[RowMapping] = []
            launches: Sequence[RowMapping] = []
            if self._rest.is_over:
                min_age = min_age if self.refusal is None else None
                to_start = await find_to_start(tx, patient or limit, min_age=min_age, due_within=due_within)
                launches = await find_launches_to_signal(tx, limit)
                if not to_start and not launches:
                    self._rest.end()  # another process has started what was refused here
        if not to_start and not to_signal and not moved and not launches:
            return 0
        client = await get_client(self._client)
        started = await self._start(client, to_start, launches)
        erased = {row["id"] for row in to_signal if row["reason"] == Reason.ERASED.value}

        async def mark(tx: Transaction, ids: Sequence[str]) -> None:
            await mark_signalled(tx, ids)
            await rename_erased(tx, erased.intersection(ids))

        started += await self._call_and_mark(client, to_signal, _signal_follow_up, mark)

        async def mark_moved(tx: Transaction, ids: Sequence[str]) -> None:
            await mark_moves_signalled(tx, ids, max(row["moved_at"] for row in moved))

        return started + await self._call_and_mark(client, moved, _signal_move, mark_moved)

    async def _call_and_mark(self, client: Client, rows: Sequence[RowMapping], call: _Call, mark: _Mark) -> int:
        """Call Temporal for every row, and mark the rows whose call succeeded, group by group during the next calls."""

        async def mark_group(ids: Sequence[str]) -> None:
            async with self._database.write(self._workspace) as tx:
                await mark(tx, ids)

        page = Page(rows, lambda row: _count_call(_CALL_NAMES[call], call(client, self._workspace, row)), mark_group)
        await page.process()
        if page.failure is not None and not page.done:
            raise page.failure
        return page.done

    async def _start(self, client: Client, rows: Sequence[RowMapping], launches: Sequence[RowMapping]) -> int:
        """Start the workflows of these rows; if Temporal refuses every one, rest. Return how many were started.

        Raises:
            RPCError: Temporal does not answer.
        """
        signalled, refusal = await self._signal_launches(client, launches)
        started = 0
        try:
            started = await self._call_and_mark(client, rows, _start_follow_up, mark_started)
        except RPCError as error:
            if error.status not in REFUSALS:
                raise
            refusal = error
        if signalled or started:
            self._rest.end()
        elif refusal is not None:
            self._rest.begin(refusal)
        return signalled + started

    async def _signal_launches(self, client: Client, rows: Sequence[RowMapping]) -> tuple[int, RPCError | None]:
        """Start or signal the launches of these rows, and mark those for which it succeeded.

        Return how many these are, and the last refusal.
        """
        signalled: dict[str, int] = {}
        refusal: RPCError | None = None
        for row in rows:
            try:
                await _count_call("launch", _start_or_signal_launch(client, self._workspace, row))
            except RPCError as error:
                if error.status in REFUSALS:
                    refusal = error
                    continue
                _log.warning("launch_call_failed", launch=row["launch_id"], status=error.status.name)
                if error.status in UNANSWERED:
                    break
            else:
                signalled[row["launch_id"]] = row["changed_in"]
        if signalled:
            async with self._database.write(self._workspace) as tx:
                await mark_launches_signalled(tx, signalled)
        return len(signalled), refusal

    @property
    def _is_busy(self) -> bool:
        """Whether this process ingests batches now."""
        return self._idle is not None and not self._idle.is_set()

    def _limit_of_patient(self, limit: int) -> int:
        """Return how many calls that can wait may be made now, of each kind: ingest comes first.

        Calls can wait because a signal only makes an end prompt, and a workflow that was not started yet misses nothing
        until it is due.
        """
        now = asyncio.get_running_loop().time()
        if not self._is_busy:
            self._next_calls_at = None
            return limit
        if self._next_calls_at is not None and self._next_calls_at <= now:
            self._next_calls_at = None
            return min(limit, _CALLS_WHILE_BUSY)
        self._next_calls_at = self._next_calls_at or now + _CALL_INTERVAL_SECONDS
        return 0


async def _wait_for_any(*events: asyncio.Event, seconds: float) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    with suppress(asyncio.CancelledError):
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


async def _count_call(name: str, call: Awaitable[None]) -> None:
    """Make a call to Temporal, and count it by its gRPC status."""
    try:
        await call
    except RPCError as error:
        OUTBOX_CALLS.labels(name, error.status.name).inc()
        raise
    OUTBOX_CALLS.labels(name, "OK").inc()


async def _start_follow_up(client: Client, workspace: str, row: RowMapping) -> None:
    start = FollowUpStart(
        workspace=workspace,
        follow_up_id=row["id"],
        campaign=row["campaign"],
        user_key=row["user_key"],
        due_at=row["next_at"],
        channels=tuple(row["channels"]),
    )
    with tracing.continuing(row["id"]), suppress(WorkflowAlreadyStartedError):  # an earlier sweep could not mark it
        arguments = start_arguments(start, row["resends"])
        await client.start_workflow(names.FOLLOW_UP, start, **arguments, rpc_timeout=RPC_TIMEOUT)


async def _signal_follow_up(client: Client, workspace: str, row: RowMapping) -> None:
    end = FollowUpEnd(state=row["state"], reason=row["reason"])
    await _signal(client, workflow_id_of(workspace, row), names.ENDED, end)


async def _signal_move(client: Client, workspace: str, row: RowMapping) -> None:
    await _signal(client, workflow_id_of(workspace, row), names.MOVED, FollowUpMove(next_at=row["next_at"]))


async def _start_or_signal_launch(client: Client, workspace: str, row: RowMapping) -> None:
    start = LaunchStart(workspace=workspace, launch_id=row["launch_id"], campaign=row["campaign"])
    if row["started_at"] is None:
        with suppress(WorkflowAlreadyStartedError):  # an earlier sweep started it and could not mark it
            await client.start_workflow(names.LAUNCH, start, **launch_arguments(start), rpc_timeout=RPC_TIMEOUT)
            return
    await _signal(client, names.launch_id(workspace, start.campaign, start.launch_id), names.LOOK)


async def _signal(client: Client, workflow_id: str, name: str, *arguments: object) -> None:
    try:
        await client.get_workflow_handle(workflow_id).signal(name, args=arguments, rpc_timeout=RPC_TIMEOUT)
    except RPCError as error:
        is_ended = error.status is RPCStatusCode.NOT_FOUND and not _lacks_namespace(error)
        if not is_ended:  # a workflow that has ended needs no signal
            raise


def _lacks_namespace(error: RPCError) -> bool:
    return any(detail.type_url.endswith(".NamespaceNotFoundFailure") for detail in error.grpc_status.details)


_CALL_NAMES: dict[_Call, str] = {_start_follow_up: "start", _signal_follow_up: "signal", _signal_move: "move"}
"""The label of each call in the metrics."""
