"""Call activities from workflows: the queues, timeouts, retries and summaries in the UI."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from connector import names
from connector.rules.sending.retries import FIRST_PAUSE, MAX_PAUSE
from connector.wire import (
    FollowUpStart,
    LaunchPage,
    LaunchStep,
    Operation,
    OperationResult,
    OperatorVerb,
    Order,
    OrderReceipt,
    ReportedException,
    SendOutcome,
    SendRequest,
    StoppedWindow,
)
from workflows import steps

_ATTEMPT_TIMEOUT = timedelta(seconds=30)
_SEND_TIMEOUT = timedelta(minutes=10)
"""Long enough to wait for the database with a result; heartbeats show within 30 seconds if the worker is dead."""
_RETRY = RetryPolicy(initial_interval=FIRST_PAUSE, maximum_interval=MAX_PAUSE)
"""Without a limit: each attempt evaluates the message again, and drops what has become stale (D4)."""

_RETRY_SOON = RetryPolicy(maximum_interval=timedelta(seconds=10))
"""Without a limit too: nothing may be sent while the result of an operator action is uncertain."""

_ORDER_TIMEOUT = timedelta(minutes=1)
_ORDER_DEADLINE = timedelta(minutes=10)
"""An order that the store cannot carry out for so long fails, so that the orders behind it get an answer too."""

_LAUNCH_TIMEOUT = timedelta(minutes=10)
"""A time slice of a launch is short, but a provider may be slow with each of its messages."""
_ALL_PAGES_TIMEOUT = timedelta(hours=1)
_HEARTBEAT_TIMEOUT = timedelta(seconds=30)
"""Longer than any provider's own timeout, so that a slow provider's answer still arrives (guarantee 4)."""


async def send(start: FollowUpStart, channel: str) -> SendOutcome:
    """Send one channel's message of a follow-up, on that channel's own task queue."""
    return await workflow.execute_activity(
        steps.send,
        SendRequest(
            workspace=start.workspace, follow_up_id=start.follow_up_id, campaign=start.campaign, channel=channel
        ),
        task_queue=names.channel_queue(start.workspace, channel),
        start_to_close_timeout=_SEND_TIMEOUT,
        heartbeat_timeout=_HEARTBEAT_TIMEOUT,
        retry_policy=_RETRY,
        summary=channel,
    )


async def report_exception(start: FollowUpStart, item: dict[str, Any]) -> str:
    """Ingest an interaction of a follow-up's user; returns accepted, duplicate or invalid."""
    return await workflow.execute_activity(
        steps.report_exception,
        ReportedException(workspace=start.workspace, user_key=start.user_key, item=item),
        start_to_close_timeout=_ATTEMPT_TIMEOUT,
        retry_policy=_RETRY,
        summary="reported exception",
    )


async def operate(start: FollowUpStart, verb: OperatorVerb, until: datetime | None) -> OperationResult:
    """Move or end a follow-up's wait in the store; a refusal is in the result, not raised."""
    update = workflow.current_update_info()
    return await workflow.execute_activity(
        steps.operate,
        Operation(
            workspace=start.workspace,
            follow_up_id=start.follow_up_id,
            verb=verb,
            until=until,
            update_id=update.id if update else None,
        ),
        start_to_close_timeout=_ATTEMPT_TIMEOUT,
        retry_policy=_RETRY_SOON,
        summary=f"{verb} by an operator",
    )


async def launch_page(page: LaunchPage) -> LaunchStep:
    """Carry on with a launch for one time slice."""
    return await workflow.execute_activity(
        steps.launch_page,
        page,
        start_to_close_timeout=_LAUNCH_TIMEOUT,
        heartbeat_timeout=_HEARTBEAT_TIMEOUT,
        retry_policy=_RETRY_SOON,
        summary=f"launch {page.campaign}",
    )


async def carry_out_order(order: Order) -> OrderReceipt:
    """Evaluate and commit an order; raises ActivityError, caused by OrderRefused, if it is not allowed."""
    return await workflow.execute_activity(
        steps.carry_out_order,
        order,
        start_to_close_timeout=_ORDER_TIMEOUT,
        schedule_to_close_timeout=_ORDER_DEADLINE,
        retry_policy=_RETRY_SOON,
        summary=f"{order.verb} {first_ids(order.ids)}",
    )


async def end_waits(workspace: str, campaigns: tuple[str, ...]) -> int:
    """End everything that waits in closed windows of these campaigns; returns how many follow-ups ended.

    Args:
        campaigns: all of the workspace if empty.
    """
    return await workflow.execute_activity(
        steps.end_waits,
        StoppedWindow(workspace=workspace, campaigns=campaigns),
        start_to_close_timeout=_ALL_PAGES_TIMEOUT,
        heartbeat_timeout=_HEARTBEAT_TIMEOUT,
        retry_policy=_RETRY,
        summary=f"end the waits of {first_ids(campaigns) or 'whatever is stopped'}",
    )


def first_ids(ids: tuple[str, ...]) -> str:
    """Return a text with the first ids; summaries are short."""
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
