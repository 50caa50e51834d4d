"""The registry workflow: every publish, stop, resume and archive of a workspace, one at a time."""

from __future__ import annotations

import asyncio

from temporalio import workflow

from connector import names
from connector.wire import Order, OrderReceipt, RegistryState
from workflows import activity_calls as calls

_LOG_LENGTH = 50
_MAX_IDS = 10_000
_ENDS_WAITS = frozenset({"stop", "archive"})


@workflow.defn(name=names.REGISTRY)
class RegistryWorkflow:
    """Carries out orders one after the other. What is published is in the store, so losing a run loses nothing."""

    @workflow.init
    def __init__(self, state: RegistryState) -> None:
        self._workspace = state.workspace
        self._log = list(state.log)
        self._to_end = dict.fromkeys(state.to_end)
        self._turn = asyncio.Lock()

    @workflow.run
    async def run(self, state: RegistryState) -> None:
        """End the waits of what was stopped; continue as new when the history has grown long."""
        if not state.continued:
            await self._end_waits_left_over()
        while not self._has_grown_long():
            await workflow.wait_condition(lambda: bool(self._to_end) or self._has_grown_long())
            if self._to_end:
                await self._end_waits()
        workflow.continue_as_new(
            RegistryState(workspace=self._workspace, log=tuple(self._log), to_end=tuple(self._to_end), continued=True),
            task_queue=names.registry_queue(
                self._workspace
            ),  # an earlier version started the registry on another queue
        )

    @workflow.update(name="publish", description="Make the newest revisions live")
    async def publish(self, order: Order) -> OrderReceipt:
        """Publish the newest revisions."""
        return await self._carry_out(order)

    @workflow.update(name="stop", description="Stop campaigns and cards; what waits ends")
    async def stop(self, order: Order) -> OrderReceipt:
        """Close windows; the waits end after the answer."""
        return await self._carry_out(order)

    @workflow.update(name="resume", description="Make stopped ones active again")
    async def resume(self, order: Order) -> OrderReceipt:
        """Open new windows; ended waits stay ended."""
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

    @workflow.query(name=names.ORDERS, description="The newest orders and their results")
    def orders(self) -> list[str]:
        """Return the newest orders, oldest first."""
        return self._log

    def _check(self, order: Order, verb: str) -> None:
        """Check the order's shape only; its content is evaluated under the store's lock."""
        if order.verb != verb:
            raise ValueError(f"the update {verb} carries an order to {order.verb}")
        if order.workspace != self._workspace:
            raise ValueError(f"this is the registry of {self._workspace}, not of {order.workspace}")
        if not 0 < len(order.ids) <= _MAX_IDS or not all(order.ids):
            raise ValueError(f"an order names between 1 and {_MAX_IDS} ids, none of them empty")
        if not order.order_id:
            raise ValueError("an order needs an order_id, so that repeating it changes nothing")

    async def _carry_out(self, order: Order) -> OrderReceipt:
        async with self._turn:
            receipt = await calls.carry_out_order(order)
        changed = calls.first_ids(receipt.changed) or "nothing"
        self._remember(f"{workflow.now():%Y-%m-%d %H:%M:%S}Z {order.verb} {changed}")
        if order.verb in _ENDS_WAITS:
            self._to_end |= dict.fromkeys(receipt.changed)
        return receipt

    async def _end_waits_left_over(self) -> None:
        """End what waits in any closed window: a terminated registry may have left some."""
        await calls.end_waits(self._workspace, ())

    async def _end_waits(self) -> None:
        """End the waits of everything stopped so far; what is stopped meanwhile comes next."""
        stopped, self._to_end = self._to_end, {}
        await calls.end_waits(self._workspace, tuple(stopped))

    def _remember(self, line: str) -> None:
        self._log = [*self._log[1 - _LOG_LENGTH :], line]
        workflow.set_current_details("\n".join(f"- {entry}" for entry in reversed(self._log)))

    def _has_grown_long(self) -> bool:
        return workflow.info().is_continue_as_new_suggested() and workflow.all_handlers_finished()
