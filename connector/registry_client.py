"""Giving an order to the registry, from the API and the command line."""

from __future__ import annotations

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
from connector.rules.errors import ConnectorError, OrderRefused
from connector.wire import Order, OrderReceipt

_PATIENCE = timedelta(seconds=30)


class RegistryUnavailable(ConnectorError):
    """The order got no answer: no worker runs, or Temporal does not. It may be given again with the same id."""


async def give_order(client: Client, order: Order, *, patience: timedelta = _PATIENCE) -> OrderReceipt:
    """Have an order judged and carried out; the registry is started where it does not run.

    Raises:
        OrderRefused: with every problem; nothing was changed.
        RegistryUnavailable: no answer came within `patience`.
    """
    start: WithStartWorkflowOperation[Any, Any] = WithStartWorkflowOperation(
        names.REGISTRY,
        {"workspace": order.workspace},
        id=names.registry_id(order.workspace),
        task_queue=names.main_queue(order.workspace),
        id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        static_summary=f"registry of {order.workspace}",
    )
    try:
        receipt: OrderReceipt = await client.execute_update_with_start_workflow(
            order.verb,
            order,
            start_workflow_operation=start,
            id=order.order_id,
            result_type=OrderReceipt,
            rpc_timeout=patience,
        )
        return receipt
    except WorkflowUpdateFailedError as error:
        raise _refusal(error) from None
    except WorkflowUpdateRPCTimeoutOrCancelledError:
        raise RegistryUnavailable(
            "nobody answered: no worker is polling; start one with `connector worker`, then give the order again"
        ) from None
    except RPCError as error:
        raise RegistryUnavailable(f"Temporal does not answer ({error.status.name}); is it running?") from None


def _refusal(error: WorkflowUpdateFailedError) -> ConnectorError:
    cause: BaseException | None = error.cause
    if isinstance(cause, ActivityError):
        cause = cause.cause
    if isinstance(cause, ApplicationError) and cause.type == OrderRefused.__name__:
        return OrderRefused([str(problem) for problem in cause.details[0]])
    return OrderRefused([str(cause)])
