"""The outbox: starts a workflow for every new row and signals every one that ended from outside (guarantee 6).

What does not go through stays marked in the store and is done by a later sweep, so that Temporal down loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import structlog
from sqlalchemy import RowMapping
from temporalio.client import Client
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from connector import names
from connector.store.engine.database import Database, StoreUnavailable
from connector.store.engine.transaction import Transaction
from connector.store.follow_ups.launches import claim_to_signal_launches
from connector.store.follow_ups.pending import claim_to_signal, claim_to_start, mark_signalled, mark_started
from connector.temporal.client import start_arguments
from connector.temporal.launch_outbox import signal_launches
from connector.wire import Ended, FollowUpStart

_log = structlog.get_logger("outbox")
_AT_ONCE = 50
_SIGNALS_WHILE_TAKING_IN = 100
_BETWEEN_SIGNALS_SECONDS = 1.0
"""While batches are taken in, so many signals go out so often, and the rest as soon as that is over."""
_AFTER_FAILURE_SECONDS = 1.0
"""Rest that no nudge shortens: while Temporal is away, each batch that is taken in would have the store asked again."""
_Act = Callable[[Client, str, RowMapping], Awaitable[None]]
_Mark = Callable[[Transaction, Sequence[str]], Awaitable[None]]


class Outbox:
    """Brings Temporal to what the store says, for one workspace.

    Args:
        client: Temporal's, or a way to get it: the outbox can begin before Temporal is there.
        sweep_seconds: how long it rests between two sweeps when nobody nudges it.
        calm: while it is clear, this process takes batches in, and only some signals go out.
    """

    def __init__(
        self,
        database: Database,
        workspace: str,
        client: Client | Callable[[], Awaitable[Client]],
        *,
        sweep_seconds: float = 5.0,
        idle: asyncio.Event | None = None,
    ) -> None:
        self._database, self._workspace, self._client = database, workspace, client
        self._sweep_seconds = sweep_seconds
        self._nudged, self._calm = asyncio.Event(), idle
        self._signals_at: float | None = None

    def nudge(self) -> None:
        """Something is to be done now; the loop does not wait for its next sweep."""
        self._nudged.set()

    async def run(self, stopped: asyncio.Event) -> None:
        """Sweep until `stopped`. Temporal or the database being away is logged, and tried again."""
        while not stopped.is_set():
            self._nudged.clear()
            try:
                done = await self.flush()
            except (RPCError, StoreUnavailable, RuntimeError, OSError) as error:
                _log.warning("outbox_waits", error=type(error).__name__)
                await self._rest(stopped, seconds=min(_AFTER_FAILURE_SECONDS, self._sweep_seconds))
                continue
            if done == 0:
                idle = [self._calm] if self._calm is not None and not self._calm.is_set() else []
                await self._rest(stopped, self._nudged, *idle, seconds=self._sweep_seconds)

    async def flush(self, limit: int = 1000) -> int:
        """Start and signal what is due now, oldest due first, at most `limit` of each; returns how many it did.

        Raises:
            RPCError: Temporal does not answer. StoreUnavailable: the database does not.
        """
        signals = self._signals_now(limit)
        async with self._database.read(self._workspace) as tx:
            to_start = await claim_to_start(tx, limit)
            to_signal = await claim_to_signal(tx, signals) if signals else []
            launches = await claim_to_signal_launches(tx, limit)
        if not to_start and not to_signal and not launches:
            return 0
        client = self._client if isinstance(self._client, Client) else await self._client()
        told = await signal_launches(self._database, self._workspace, client, launches)
        started = told + await self._carry_out(client, to_start, _start_one, mark_started)
        return started + await self._carry_out(client, to_signal, _signal_one, mark_signalled)

    async def _carry_out(self, client: Client, rows: Sequence[RowMapping], act: _Act, mark: _Mark) -> int:
        """Do something in Temporal for every row, and mark those for which it went through."""
        done = await _all(rows, lambda row: act(client, self._workspace, row))
        if done:
            async with self._database.write(self._workspace) as tx:
                await mark(tx, done)
        _raise_if_nothing_went(rows, done)
        return len(done)

    def _signals_now(self, limit: int) -> int:
        """How many signals may go out: a signal makes an end prompt and decides nothing, so it gives way to intake."""
        now = asyncio.get_running_loop().time()
        if self._calm is None or self._calm.is_set():
            self._signals_at = None
            return limit
        if self._signals_at is not None and self._signals_at <= now:
            self._signals_at = None
            return min(limit, _SIGNALS_WHILE_TAKING_IN)
        self._signals_at = self._signals_at or now + _BETWEEN_SIGNALS_SECONDS
        return 0

    async def _rest(self, *events: asyncio.Event, seconds: float) -> None:
        waits = [asyncio.create_task(event.wait()) for event in events]
        with suppress(asyncio.CancelledError):
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()


async def _all(rows: Sequence[RowMapping], act: Callable[[RowMapping], Awaitable[None]]) -> list[str]:
    """Do something for every row, many at once; returns the ids of those for which it went through."""
    free = asyncio.Semaphore(_AT_ONCE)
    done: list[str] = []

    async def one(row: RowMapping) -> None:
        async with free:
            try:
                await act(row)
            except RPCError as error:
                _log.warning("outbox_retries", follow_up=row["id"], status=error.status.name)
            else:
                done.append(row["id"])

    await asyncio.gather(*(one(row) for row in rows))
    return done


def _raise_if_nothing_went(rows: Sequence[RowMapping], done: Sequence[str]) -> None:
    if rows and not done:
        raise RPCError("Temporal took none of them", RPCStatusCode.UNAVAILABLE, b"")


async def _start_one(client: Client, workspace: str, row: RowMapping) -> None:
    start = FollowUpStart(
        workspace=workspace,
        follow_up_id=row["id"],
        campaign=row["campaign"],
        user_key=row["user_key"],
        due_at=row["due_at"],
        channels=tuple(row["channels"]),
    )
    with suppress(WorkflowAlreadyStartedError):  # an earlier sweep started it and could not mark it
        await client.start_workflow(names.FOLLOW_UP, start, **start_arguments(start))


async def _signal_one(client: Client, workspace: str, row: RowMapping) -> None:
    handle = client.get_workflow_handle(names.follow_up_id(workspace, row["campaign"], row["user_key"], row["id"]))
    try:
        await handle.signal(names.ENDED, Ended(state=row["state"], reason=row["reason"]))
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # it has ended by itself: nothing is left to tell
            raise
