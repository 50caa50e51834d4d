"""Workflows on a real server with virtual time, with activities whose results a test decides."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client, WithStartWorkflowOperation, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from connector import names
from connector.rules.model.errors import OrderRefused
from connector.temporal.starting import launch_arguments, start_arguments
from connector.temporal.versions import deployment_config
from connector.wire import (
    FollowUpResult,
    FollowUpStart,
    LaunchPage,
    LaunchProgress,
    LaunchStart,
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
from tests.support.builders import now
from workflows.follow_up import FollowUpWorkflow
from workflows.launch import LaunchWorkflow
from workflows.registry import RegistryWorkflow

PROBLEMS = ["refuse-me: has a problem", "refuse-me: has another"]
SENT = SendOutcome(outcome="sent", state="sent")


def held(delay: timedelta) -> SendOutcome:
    """The result of a send that is held for this long from now."""
    return SendOutcome(outcome="held", until=now() + delay)


class FakeActivities:
    """Activities that return the given results and record their inputs."""

    def __init__(self, **answers: list[SendOutcome]) -> None:
        self.answers = answers
        self.sent: list[tuple[str, datetime]] = []
        self.reported: list[ReportedException] = []
        self.orders: list[Order] = []
        self.ended: list[tuple[str, ...]] = []
        self.operations: list[Operation] = []
        self.steps: list[LaunchStep] = []
        self.refusal: OperationResult | None = None
        self.busy = self.failures = 0
        self.may_send, self.may_end, self.may_operate = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.may_carry_out = asyncio.Event()
        for allowed in (self.may_send, self.may_end, self.may_operate, self.may_carry_out):
            allowed.set()
        self.on_report: Callable[[], Any] | None = None

    @activity.defn(name=names.SEND)
    async def send(self, request: SendRequest) -> SendOutcome:
        self.sent.append((request.channel, activity.info().started_time))
        await self.may_send.wait()
        if activity.info().attempt <= self.failures:
            raise ApplicationError("provider_busy", type="provider_busy")
        return self.answers[request.channel].pop(0)

    @activity.defn(name=names.REPORT_EXCEPTION)
    async def report_exception(self, reported: ReportedException) -> str:
        self.reported.append(reported)
        if self.on_report is not None:
            await self.on_report()
        return "accepted"

    @activity.defn(name=names.OPERATE)
    async def operate(self, operation: Operation) -> OperationResult:
        self.operations.append(operation)
        await self.may_operate.wait()
        if self.refusal is not None:
            return self.refusal
        if operation.verb == "cancel":
            return OperationResult(done=True, says="done", state="dropped", reason="cancelled_by_operator")
        next_at = operation.until or activity.info().started_time
        return OperationResult(done=True, says="done", state="waiting", next_at=next_at)

    @activity.defn(name=names.LAUNCH_PAGE)
    async def launch_page(self, page: LaunchPage) -> LaunchStep:
        return self.steps.pop(0) if self.steps else LaunchStep(phase="ended", next_page=page)

    @activity.defn(name=names.CARRY_OUT_ORDER)
    async def carry_out_order(self, order: Order) -> OrderReceipt:
        self.busy += 1
        assert self.busy == 1, "two orders at once"
        await asyncio.sleep(0.01)
        await self.may_carry_out.wait()
        self.busy -= 1
        if "refuse-me" in order.ids:
            raise ApplicationError("refused", PROBLEMS, type=OrderRefused.__name__, non_retryable=True)
        self.orders.append(order)
        return OrderReceipt(order_id=order.order_id, verb=order.verb, changed=order.ids, version=len(self.orders))

    @activity.defn(name=names.END_WAITS)
    async def end_waits(self, stopped: StoppedWindow) -> int:
        self.ended.append(stopped.campaigns)
        if stopped.campaigns:
            await self.may_end.wait()
        return 0


class WorkflowHarness:
    """A workspace with its workers. `client`: other than the environment's, with another codec."""

    def __init__(
        self, environment: WorkflowEnvironment, activities: FakeActivities, client: Client | None = None
    ) -> None:
        self.environment, self.activities = environment, activities
        self.client: Client = client or environment.client
        self.workspace = f"w{uuid4().hex[:8]}"

    @asynccontextmanager
    async def workers(self, build_id: str | None = None) -> AsyncIterator["WorkflowHarness"]:
        """Run a worker for each queue until the block ends; with a build id, they are versioned."""
        activities, deployment = self.activities, deployment_config(self.workspace, build_id)
        async with AsyncExitStack() as stack:
            for channel in activities.answers:
                queue = names.channel_queue(self.workspace, channel)
                await stack.enter_async_context(
                    Worker(self.client, task_queue=queue, activities=[activities.send], deployment_config=deployment)
                )
            main = Worker(
                self.client,
                task_queue=names.main_queue(self.workspace),
                workflows=[FollowUpWorkflow, LaunchWorkflow],
                activities=[activities.report_exception, activities.operate, activities.launch_page],
                debug_mode=True,  # no deadlock detection, because the machine may be slow
                deployment_config=deployment,
            )
            await stack.enter_async_context(main)
            await stack.enter_async_context(self.registry_worker(build_id))
            yield self

    def registry_worker(self, build_id: str | None = None) -> Worker:
        """Return the worker of the registry's queue."""
        return Worker(
            self.client,
            task_queue=names.registry_queue(self.workspace),
            workflows=[RegistryWorkflow],
            activities=[self.activities.carry_out_order, self.activities.end_waits],
            debug_mode=True,
            deployment_config=deployment_config(self.workspace, build_id),
        )

    def follow_up_start(self, *channels: str, delay: timedelta = timedelta(0)) -> FollowUpStart:
        """The input of a follow-up that is due after this delay from now."""
        return FollowUpStart(
            workspace=self.workspace,
            follow_up_id=uuid4().hex,
            campaign="cart",
            user_key=uuid4().hex,
            due_at=now() + delay,
            channels=channels or ("push",),
        )

    async def follow_up(self, *channels: str, delay: timedelta = timedelta(0)) -> WorkflowHandle[Any, Any]:
        """Start a follow-up as the outbox does."""
        start = self.follow_up_start(*channels, delay=delay)
        return await self.client.start_workflow(
            names.FOLLOW_UP, start, result_type=FollowUpResult, **start_arguments(start)
        )

    def follow_up_to_update(self) -> WithStartWorkflowOperation[Any, Any]:
        """A follow-up that is due at once and starts together with its first update."""
        start = self.follow_up_start()
        return WithStartWorkflowOperation(names.FOLLOW_UP, start, result_type=FollowUpResult, **start_arguments(start))

    def launch_step(self, phase: Any, delay: timedelta | None = None, **users: int) -> LaunchStep:
        """The result of a step of a launch that waits for this long from now."""
        page = LaunchPage(workspace=self.workspace, launch_id="l", campaign="spring", after="k")
        progress = LaunchProgress(users=users, whole_audience=phase != "enrolling")
        return LaunchStep(
            phase=phase, next_page=page, until=None if delay is None else now() + delay, progress=progress
        )

    async def launch(self) -> WorkflowHandle[Any, Any]:
        """Start a launch as the outbox does."""
        start = LaunchStart(workspace=self.workspace, launch_id="l", campaign="spring")
        return await self.client.start_workflow(names.LAUNCH, start, **launch_arguments(start))

    def order(self, verb: Any, *ids: str) -> Order:
        """Return an order for the registry of this workspace."""
        return Order(workspace=self.workspace, order_id=uuid4().hex, verb=verb, ids=ids)

    @property
    def registry(self) -> WorkflowHandle[Any, Any]:
        """The newest run of the registry."""
        return self.client.get_workflow_handle(names.registry_id(self.workspace))
