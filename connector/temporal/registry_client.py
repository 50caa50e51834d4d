"""Giving an order to the registry, from the API and the command line."""

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

_PATIENCE = timedelta(seconds=30)


class RegistryUnavailable(ConnectorError):
    """The order got no answer: no worker runs, or Temporal does not. It may be given again with the same id."""


async def give_order(client: Client, order: Order, *, patience: timedelta = _PATIENCE) -> OrderReceipt:
    """Have an order judged and carried out; the registry is started where it does not run.

    Args:
        patience: how long to wait for the answer; the order may still be carried out after that.

    Raises:
        OrderRefused: with every problem; nothing was changed.
        RegistryUnavailable: no answer came in time; giving the same order again is harmless.
    """
    try:
        async with asyncio.timeout(patience.total_seconds()):
            return await _ask(client, order)
    except WorkflowUpdateFailedError as error:
        raise _told(error) from None
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        raise RegistryUnavailable(
            f"no worker is polling {names.main_queue(order.workspace)!r}, or it is busy: no answer in "
            f"{patience.total_seconds():g} seconds; start one with `connector worker`, then give the order again"
        ) from None
    except RPCError as error:
        raise RegistryUnavailable(f"Temporal does not answer ({error.status.name}); is it running?") from None


async def _ask(client: Client, order: Order) -> OrderReceipt:
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        names.REGISTRY,
        RegistryState(workspace=order.workspace),
        id=names.registry_id(order.workspace),
        task_queue=names.main_queue(order.workspace),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"registry of {order.workspace}",
    )
    started = asyncio.ensure_future(start.workflow_handle())
    started.add_done_callback(lambda done: done.cancelled() or done.exception())  # the update's error says it too
    try:
        receipt: OrderReceipt = await client.execute_update_with_start_workflow(
            order.verb, order, start_workflow_operation=start, id=order.order_id, result_type=OrderReceipt
        )
        return receipt
    finally:
        started.cancel()


def _told(error: WorkflowUpdateFailedError) -> ConnectorError:
    """What the registry answered, in our own words."""
    cause = error.cause.cause if isinstance(error.cause, ActivityError) else error.cause
    if isinstance(cause, ApplicationError) and cause.type == OrderRefused.__name__:
        return OrderRefused([str(problem) for problem in cause.details[0]])
    if isinstance(error.cause, ApplicationError):
        return OrderRefused([error.cause.message])
    return RegistryUnavailable("the store could not take the order; is the database there? Give the order again")
