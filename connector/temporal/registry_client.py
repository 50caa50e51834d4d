"""The client of the registry: submits lifecycle orders for the API and the command line.

ConnectorError
├── OrderRefused         names every problem; nothing was changed
└── RegistryUnavailable  Temporal or the database did not answer; the order may still be carried out
    └── OrderUnanswered  no worker answered in time; the order may still be carried out
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.service import RPCError

from connector import names
from connector.rules.model.errors import ConnectorError, OrderRefused
from connector.wire import Order, OrderReceipt, RegistryState

_DEFAULT_TIMEOUT = timedelta(seconds=30)
_MAY_BE_CARRIED_OUT = (
    "The order may still be carried out: repeat it with the same idempotency key, or look at the campaign's state first"
)


class RegistryUnavailable(ConnectorError):
    """Temporal or the database did not answer. The order may still be carried out."""


class OrderUnanswered(RegistryUnavailable):
    """No worker answered in time. The order may still be carried out."""


async def submit_order(
    client: Client, order: Order, *, may_repeat: bool = False, answer_timeout: timedelta = _DEFAULT_TIMEOUT
) -> OrderReceipt:
    """Have the registry check and carry out an order; start the registry if it does not run.

    An order that was submitted before and is still in progress is joined; one that was carried out returns its receipt.

    Args:
        may_repeat: the order may have been submitted before; if that attempt failed, it is evaluated again.
        answer_timeout: how long to wait for the answer; the order may still be carried out later.

    Raises:
        OrderRefused: names every problem; nothing was changed.
        RegistryUnavailable: no answer came, or not in time; the same order can be submitted again.
    """
    try:
        async with asyncio.timeout(answer_timeout.total_seconds()):
            return await _submit(client, order, may_repeat)
    except WorkflowUpdateFailedError as error:
        raise _translate(error) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        queue, seconds = names.registry_queue(order.workspace), answer_timeout.total_seconds()
        raise OrderUnanswered(
            f"no worker is polling {queue!r}, all are busy, or Temporal hangs: no answer in {seconds:g} seconds; "
            f"start one with `connector worker`. {_MAY_BE_CARRIED_OUT}"
        ) from None
    except RPCError as error:
        problem = f"Temporal does not answer ({error.status.name}); is it running?"
        raise RegistryUnavailable(f"{problem} {_MAY_BE_CARRIED_OUT}") from None


async def _submit(client: Client, order: Order, may_repeat: bool) -> OrderReceipt:
    try:
        return await _update(client, order, order.act_id)
    except WorkflowUpdateFailedError:
        if not may_repeat:
            raise
        # Temporal answers with an earlier attempt's failure as long as the run lasts, whatever has changed since.
        return await _update(client, order, f"{order.act_id}-{uuid4().hex}")


async def _update(client: Client, order: Order, update_id: str) -> OrderReceipt:
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        names.REGISTRY,
        RegistryState(workspace=order.workspace),
        id=names.registry_id(order.workspace),
        task_queue=names.registry_queue(order.workspace),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"registry of {order.workspace}",
    )
    started = asyncio.ensure_future(start.workflow_handle())
    started.add_done_callback(lambda done: done.cancelled() or done.exception())  # the update raises it too
    try:
        receipt: OrderReceipt = await client.execute_update_with_start_workflow(
            order.verb, order, start_workflow_operation=start, id=update_id, result_type=OrderReceipt
        )
        return receipt
    finally:
        started.cancel()


def _translate(error: WorkflowUpdateFailedError) -> ConnectorError:
    """Return the error that the registry raised, as one of this module's."""
    cause = error.cause.cause if isinstance(error.cause, ActivityError) else error.cause
    if isinstance(cause, ApplicationError) and cause.type == OrderRefused.__name__:
        return OrderRefused([str(problem) for problem in cause.details[0]])
    if isinstance(cause, ApplicationError) and cause.type == ValueError.__name__:  # of the registry's validator
        return OrderRefused([cause.message])
    if isinstance(error.cause, ActivityError):
        return RegistryUnavailable(f"the registry could not reach the database; is it running? {_MAY_BE_CARRIED_OUT}")
    return RegistryUnavailable(f"the registry was closed in Temporal before it answered. {_MAY_BE_CARRIED_OUT}")
