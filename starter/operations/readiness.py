"""Readiness: whether the database, Temporal and a worker answer."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Literal

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from connector import names
from connector.app.context import AppContext
from connector.store.catalogue.current import read_head
from connector.store.engine.database import Database, StoreUnavailable
from connector.temporal.client import TemporalUnavailable

_TIMEOUT_SECONDS = 3.0


@dataclass(frozen=True)
class Readiness:
    """Which parts answer. Without the database nothing works; without the others interactions are accepted and kept."""

    database: bool
    temporal: bool
    worker: bool

    @property
    def status(self) -> Literal["ready", "degraded", "not_ready"]:
        """`degraded`: interactions are accepted, and their follow-ups start when the other parts answer again."""
        if not self.database:
            return "not_ready"
        return "ready" if self.temporal and self.worker else "degraded"


async def check_readiness(context: AppContext) -> Readiness:
    """Query the database and Temporal, each for at most three seconds."""
    database, (temporal, worker) = await asyncio.gather(
        _database_answers(context.database, context.workspace), _temporal_and_worker_answer(context)
    )
    return Readiness(database, temporal, worker)


async def _database_answers(database: Database, workspace: str) -> bool:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS), database.read(workspace) as tx:
            await read_head(tx)
    except (StoreUnavailable, TimeoutError):
        return False
    return True


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
