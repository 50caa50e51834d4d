"""The registry: every publish, stop, resume and archive of a workspace goes through here, one at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pydantic import Field
from temporalio import workflow
from temporalio.common import RetryPolicy

from connector import names
from connector.wire import Order, OrderReceipt, StoppedWindow, Wire
from workflows import steps

_LOG_LENGTH = 50
_MOST_IDS = 10_000
_ENDING = frozenset({"stop", "archive"})
_TIMEOUT = timedelta(seconds=60)
_PATIENCE = timedelta(minutes=10)


class RegistryState(Wire):
    """What goes on from run to run: a short log, and the closed windows whose waits are still to be ended."""

    workspace: str
    log: list[str] = Field(default_factory=list)
    to_end: list[StoppedWindow] = Field(default_factory=list)


@workflow.defn(name=names.REGISTRY)
class Registry:
    """Puts orders in a line. What is published stands in the store; losing this workflow loses nothing of it."""

    @workflow.init
    def __init__(self, state: RegistryState) -> None:
        self._workspace = state.workspace
        self._log = list(state.log)
        self._to_end = list(state.to_end)
        self._turn = asyncio.Lock()

    @workflow.run
    async def run(self, state: RegistryState) -> None:
        """End the waits of what was stopped, and go on in a new run when this one has grown long."""
        while True:
            await workflow.wait_condition(lambda: bool(self._to_end) or self._may_go_on())
            if not self._to_end:
                workflow.continue_as_new(RegistryState(workspace=self._workspace, log=self._log))
            await self._end_waits(self._to_end[0])
            self._to_end.pop(0)

    @workflow.update(name="publish", description="Make the newest revisions live")
    async def publish(self, order: Order) -> OrderReceipt:
        """Judge and carry out a publication."""
        return await self._carry_out(order)

    @workflow.update(name="stop", description="Stop campaigns and cards; what waits ends")
    async def stop(self, order: Order) -> OrderReceipt:
        """Close windows; the waits end after the answer."""
        return await self._carry_out(order)

    @workflow.update(name="resume", description="Make stopped ones active again")
    async def resume(self, order: Order) -> OrderReceipt:
        """Open new windows; no wait comes back."""
        return await self._carry_out(order)

    @workflow.update(name="archive", description="Stop for good")
    async def archive(self, order: Order) -> OrderReceipt:
        """Close windows for good; the waits end after the answer."""
        return await self._carry_out(order)

    @publish.validator
    def _check_publish(self, order: Order) -> None:
        self._check(order, "publish")

    @stop.validator
    def _check_stop(self, order: Order) -> None:
        self._check(order, "stop")

    @resume.validator
    def _check_resume(self, order: Order) -> None:
        self._check(order, "resume")

    @archive.validator
    def _check_archive(self, order: Order) -> None:
        self._check(order, "archive")

    @workflow.query(name=names.ORDERS, description="The newest orders and what came of them")
    def orders(self) -> list[str]:
        """The short log, oldest first."""
        return self._log

    def _check(self, order: Order, verb: str) -> None:
        """Look at the order's shape only; what it concerns is judged under the store's lock."""
        if order.verb != verb:
            raise ValueError(f"the update {verb} carries an order to {order.verb}")
        if order.workspace != self._workspace:
            raise ValueError(f"this is the registry of {self._workspace}, not of {order.workspace}")
        if not 0 < len(order.ids) <= _MOST_IDS:
            raise ValueError(f"an order names between 1 and {_MOST_IDS} ids")

    async def _carry_out(self, order: Order) -> OrderReceipt:
        async with self._turn:
            receipt = await workflow.execute_activity(
                steps.carry_out_order,
                order,
                start_to_close_timeout=_TIMEOUT,
                schedule_to_close_timeout=_PATIENCE,
                summary=f"{order.verb} {_named(order.ids)}",
            )
        self._remember(f"{workflow.now():%Y-%m-%d %H:%M:%S}Z {order.verb} {_named(receipt.changed) or 'nothing'}")
        if order.verb in _ENDING and receipt.changed:
            self._to_end.append(StoppedWindow(workspace=order.workspace, campaigns=receipt.changed))
        return receipt

    async def _end_waits(self, stopped: StoppedWindow) -> None:
        await workflow.execute_activity(
            steps.end_waits,
            stopped,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_interval=timedelta(minutes=1)),
            summary=f"end the waits of {_named(stopped.campaigns)}",
        )

    def _remember(self, line: str) -> None:
        self._log = [*self._log[1 - _LOG_LENGTH :], line]
        workflow.set_current_details("\n".join(f"- {entry}" for entry in reversed(self._log)))

    def _may_go_on(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished()


def _named(ids: tuple[str, ...]) -> str:
    """A few ids in words."""
    return ", ".join(ids[:3]) + (f" and {len(ids) - 3} more" if len(ids) > 3 else "")
