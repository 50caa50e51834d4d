"""The client of the registry: submits lifecycle orders for the API and the command line.

ConnectorError
├── OrderRefused         names every problem; nothing was changed
└── RegistryUnavailable  no worker or no Temporal answered
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

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


class RegistryUnavailable(ConnectorError):
    """The order got no answer: no worker runs, or Temporal is down. It may be submitted again with the same id."""


async def submit_order(client: Client, order: Order, *, answer_timeout: timedelta = _DEFAULT_TIMEOUT) -> OrderReceipt:
    """Have the registry check and carry out an order; start the registry if it does not run.

    Args:
        answer_timeout: how long to wait for the answer; the order may still be carried out later.

    Raises:
        OrderRefused: names every problem; nothing was changed.
        RegistryUnavailable: no answer came in time; the same order can be submitted again.
    """
    try:
        async with asyncio.timeout(answer_timeout.total_seconds()):
            return await _update(client, order)
    except WorkflowUpdateFailedError as error:
        raise _translate(error) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise RegistryUnavailable(
            f"no worker is polling {names.main_queue(order.workspace)!r}, or it is busy: no answer in "
            f"{answer_timeout.total_seconds():g} seconds; start one with `connector worker`, then submit it again"
        ) from None
    except RPCError as error:
        raise RegistryUnavailable(f"Temporal does not answer ({error.status.name}); is it running?") from None


async def _update(client: Client, order: Order) -> OrderReceipt:
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        names.REGISTRY,
        RegistryState(workspace=order.workspace),
        id=names.registry_id(order.workspace),
        task_queue=names.main_queue(order.workspace),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"registry of {order.workspace}",
    )
    started = asyncio.ensure_future(start.workflow_handle())
    started.add_done_callback(lambda done: done.cancelled() or done.exception())  # the update raises it too
    try:
        receipt: OrderReceipt = await client.execute_update_with_start_workflow(
            order.verb, order, start_workflow_operation=start, id=order.order_id, result_type=OrderReceipt
        )
        return receipt
    finally:
        started.cancel()


def _translate(error: WorkflowUpdateFailedError) -> ConnectorError:
    """Return the error that the registry raised, as one of this module's."""
    cause = error.cause.cause if isinstance(error.cause, ActivityError) else error.cause
    if isinstance(cause, ApplicationError) and cause.type == OrderRefused.__name__:
        return OrderRefused([str(problem) for problem in cause.details[0]])
    if isinstance(error.cause, ApplicationError):
        return OrderRefused([error.cause.message])
    return RegistryUnavailable(
        "the registry could not reach the database; start the database, then submit the order again"
    )
