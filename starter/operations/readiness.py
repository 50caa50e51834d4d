"""Readiness: whether the database can be read and written, and whether Temporal and a worker answer."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import func, or_, select
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from connector import names
from connector.app.context import AppContext
from connector.store.catalogue.current import read_head
from connector.store.engine.database import Database
from connector.store.engine.outages import ADVICE, Outage, StoreUnavailable
from connector.store.engine.transaction import Transaction
from connector.store.reporting.retries import find_retried_channels
from connector.temporal.client import TemporalUnavailable

_TIMEOUT_SECONDS = 3.0
_DATABASE_SECONDS = 1.5
"""Shorter by more than a transaction's grace, so that the database names the outage before the timeout."""


@dataclass(frozen=True)
class Readiness:
    """The parts that answer. Without the database nothing works; without the others, interactions are accepted and
    kept.

    Args:
        outage: why the database cannot be used; None: it can.
        retried: the (channel, fault) pairs of messages that are due and tried again (W6); the status is independent.
    """

    outage: Outage | None
    temporal: bool
    worker: bool
    retried: Sequence[tuple[str, str]] = ()

    @property
    def status(self) -> Literal["ready", "degraded", "not_ready"]:
        """`degraded`: interactions are accepted, and their follow-ups start when the other parts answer again."""
        if self.outage is not None:
            return "not_ready"
        return "ready" if self.temporal and self.worker else "degraded"

    @property
    def note(self) -> str | None:
        """What the status means for callers, and the way out of an outage."""
        if self.outage is not None:
            return f"the database cannot be used now; no interaction is accepted: {ADVICE[self.outage]}"
        if self.status == "degraded":
            return "interactions are accepted and stored; their follow-ups start when the rest is back"
        if self.retried:
            faults = ", ".join(f"{channel} ({fault})" for channel, fault in self.retried)
            return f"messages are due and tried again until they are stale: {faults}"
        return None


async def check_readiness(context: AppContext) -> Readiness:
    """Query the database and Temporal, each for at most three seconds."""
    (outage, retried), (temporal, worker) = await asyncio.gather(
        _query_database(context.database, context.workspace), _temporal_and_worker_answer(context)
    )
    return Readiness(outage, temporal, worker, retried)


async def _query_database(database: Database, workspace: str) -> tuple[Outage | None, Sequence[tuple[str, str]]]:
    """Read the catalogue's version and what is tried again; check whether writes are refused now or were lately."""
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), database.read(workspace, seconds=_DATABASE_SECONDS) as tx:
            await read_head(tx)
            is_read_only = database.dialect == "postgresql" and await _is_read_only(tx)
            retried = await find_retried_channels(tx)
    except StoreUnavailable as error:
        return error.outage, ()
    except TimeoutError:
        return Outage.SILENT, ()
    return Outage.READ_ONLY if is_read_only else database.health.refuses_writes, retried


async def _is_read_only(tx: Transaction) -> bool:
    """Whether PostgreSQL refuses writes: a standby that was not promoted, or a server that was set to read-only."""
    is_read_only = func.current_setting("default_transaction_read_only") == "on"
    return bool((await tx.execute(select(or_(func.pg_is_in_recovery(), is_read_only)))).scalar_one())


async def _temporal_and_worker_answer(context: AppContext) -> tuple[bool, bool]:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            client = await context.temporal.client()
            return True, await _worker_polls(client, names.main_queue(context.workspace))
    except (TemporalUnavailable, RPCError, TimeoutError):
        return False, False


async def _worker_polls(client: Client, queue: str) -> bool:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    return bool((await client.workflow_service.describe_task_queue(request)).pollers)
