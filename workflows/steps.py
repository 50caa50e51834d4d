"""The signatures of the activities that workflows call, without bodies; a test holds them equal to the activities."""

from __future__ import annotations

from temporalio import activity

from connector import names
from connector.wire import (
    LaunchPage,
    LaunchStep,
    Operation,
    OperationResult,
    Order,
    OrderReceipt,
    ReportedException,
    SendOutcome,
    SendRequest,
    StoppedWindow,
)


@activity.defn(name=names.SEND)
async def send(request: SendRequest) -> SendOutcome:
    """Evaluate one message as of now, and send it if no rule objects."""
    raise NotImplementedError


@activity.defn(name=names.REPORT_EXCEPTION)
async def report_exception(reported: ReportedException) -> str:
    """Ingest an interaction that was signalled to a follow-up; returns accepted, duplicate or invalid."""
    raise NotImplementedError


@activity.defn(name=names.OPERATE)
async def operate(operation: Operation) -> OperationResult:
    """Move or end a follow-up's wait for an operator, provided that no message of it has been claimed."""
    raise NotImplementedError


@activity.defn(name=names.LAUNCH_PAGE)
async def launch_page(page: LaunchPage) -> LaunchStep:
    """Carry on with a launch for one time slice: add users, send messages, or return what it waits for."""
    raise NotImplementedError


@activity.defn(name=names.CARRY_OUT_ORDER)
async def carry_out_order(order: Order) -> OrderReceipt:
    """Evaluate a lifecycle order and commit it; raises type OrderRefused with the problems as details."""
    raise NotImplementedError


@activity.defn(name=names.END_WAITS)
async def end_waits(stopped: StoppedWindow) -> int:
    """End what waits in closed windows, in pages; returns how many follow-ups ended."""
    raise NotImplementedError
