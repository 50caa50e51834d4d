"""How workflows call the activities: on which queue, for how long, how often again, and under which words in the UI."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy

from connector import names
from connector.wire import (
    FollowUpStart,
    LaunchPage,
    LaunchStep,
    Operated,
    Operation,
    Order,
    OrderReceipt,
    ReportedException,
    SendOutcome,
    SendRequest,
    StoppedWindow,
    Verb,
)
from workflows import steps

_ATTEMPT = timedelta(seconds=30)
"""Longer than any provider's own timeout, so that a slow provider's answer is still heard (guarantee 4)."""
_AGAIN = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5))
"""Without an end: each attempt judges anew, and drops what has become stale (D4)."""

_SOON_AGAIN = RetryPolicy(maximum_interval=timedelta(seconds=10))
"""Without an end too: while it is not certain what an operator's hand changed, nothing may be sent."""

_ORDER = timedelta(minutes=1)
_PATIENCE = timedelta(minutes=10)
"""An order that the store cannot take for so long fails, so that the ones behind it get an answer too."""

_STRETCH = timedelta(minutes=10)
"""A stretch of a launch is short, but a provider may be slow with each of its messages."""
_ALL_PAGES = timedelta(hours=1)
_ONE_PAGE = timedelta(seconds=30)


async def send(start: FollowUpStart, channel: str) -> SendOutcome:
    """Have one channel of a follow-up judged and sent, on that channel's own queue."""
    return await workflow.execute_activity(
        steps.send,
        SendRequest(
            workspace=start.workspace, follow_up_id=start.follow_up_id, campaign=start.campaign, channel=channel
        ),
        task_queue=names.channel_queue(start.workspace, channel),
        start_to_close_timeout=_ATTEMPT,
        retry_policy=_AGAIN,
        summary=channel,
    )


async def report_exception(start: FollowUpStart, item: dict[str, Any]) -> str:
    """Have an interaction of a follow-up's user taken in; resolves with accepted, duplicate or invalid."""
    return await workflow.execute_activity(
        steps.report_exception,
        ReportedException(workspace=start.workspace, user_key=start.user_key, item=item),
        start_to_close_timeout=_ATTEMPT,
        retry_policy=_AGAIN,
        summary="reported exception",
    )


async def operate(start: FollowUpStart, verb: Verb, until: datetime | None) -> Operated:
    """Have the store move or end this follow-up's wait; what it refuses is told, not raised."""
    return await workflow.execute_activity(
        steps.operate,
        Operation(workspace=start.workspace, follow_up_id=start.follow_up_id, verb=verb, until=until),
        start_to_close_timeout=_ATTEMPT,
        retry_policy=_SOON_AGAIN,
        summary=f"{verb} by an operator",
    )


async def launch_page(page: LaunchPage) -> LaunchStep:
    """Have a launch gone on with for a while."""
    return await workflow.execute_activity(
        steps.launch_page,
        page,
        start_to_close_timeout=_STRETCH,
        heartbeat_timeout=_ONE_PAGE,
        retry_policy=_SOON_AGAIN,
        summary=f"launch {page.campaign}",
    )


async def carry_out_order(order: Order) -> OrderReceipt:
    """Have an order judged and committed; an ActivityError caused by OrderRefused where it is not allowed."""
    return await workflow.execute_activity(
        steps.carry_out_order,
        order,
        start_to_close_timeout=_ORDER,
        schedule_to_close_timeout=_PATIENCE,
        retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=10)),
        summary=f"{order.verb} {named(order.ids)}",
    )


async def end_waits(workspace: str, campaigns: tuple[str, ...]) -> int:
    """Have everything ended that waits in closed windows of these campaigns; resolves with how many there were.

    Args:
        campaigns: empty: all of the workspace.
    """
    return await workflow.execute_activity(
        steps.end_waits,
        StoppedWindow(workspace=workspace, campaigns=campaigns),
        start_to_close_timeout=_ALL_PAGES,
        heartbeat_timeout=_ONE_PAGE,
        retry_policy=_AGAIN,
        summary=f"end the waits of {named(campaigns) or 'whatever is stopped'}",
    )


def named(ids: tuple[str, ...]) -> str:
    """A few ids in words; summaries are short."""
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
