"""The activities as workflows see them: names and types, no bodies. A test holds them equal to what implements them."""

from __future__ import annotations

from temporalio import activity

from connector import names
from connector.wire import (
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
)


@activity.defn(name=names.SEND)
async def send(request: SendRequest) -> SendOutcome:
    """Judge one message as of now, and send it where nothing speaks against it."""
    raise NotImplementedError


@activity.defn(name=names.REPORT_EXCEPTION)
async def report_exception(reported: ReportedException) -> str:
    """Take an interaction in that somebody signalled to a follow-up; resolves with accepted, duplicate or invalid."""
    raise NotImplementedError


@activity.defn(name=names.OPERATE)
async def operate(operation: Operation) -> Operated:
    """Move or end a follow-up's wait as an operator wants it, while nothing of it has gone out."""
    raise NotImplementedError


@activity.defn(name=names.LAUNCH_PAGE)
async def launch_page(page: LaunchPage) -> LaunchStep:
    """Go on with a launch for a while: take users in, send messages, or tell what it waits for."""
    raise NotImplementedError


@activity.defn(name=names.CARRY_OUT_ORDER)
async def carry_out_order(order: Order) -> OrderReceipt:
    """Judge a lifecycle order and commit it; fails with type OrderRefused and the problems as details."""
    raise NotImplementedError


@activity.defn(name=names.END_WAITS)
async def end_waits(stopped: StoppedWindow) -> int:
    """End what waits in windows that were closed, in pages; resolves with how many there were."""
    raise NotImplementedError
