"""Follow-ups that somebody closed in Temporal's UI: noticed, recorded, never started again."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import update
from structlog.testing import capture_logs
from temporalio import workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from connector import names
from connector.store.engine.database import Database
from connector.store.tables import follow_ups
from connector.temporal.outbox import Outbox
from connector.temporal.reconciliation import Reconciliation
from connector.temporal.starting import start_arguments
from connector.wire import FollowUpStart
from tests.support.builders import ABANDONED, ORIGINAL, push
from tests.support.installation import Installation
from tests.support.temporal_server import until_event
from tests.support.workspace import LATER, Workspace


@workflow.defn(name=names.FOLLOW_UP, sandboxed=False)
class Failing:
    """A follow-up that fails for good."""

    @workflow.run
    async def run(self, start: FollowUpStart) -> str:
        raise ApplicationError("broken", non_retryable=True)


class Yard:
    """Waiting follow-ups of an installation whose workflows run, with no worker but those that a test starts."""

    def __init__(self, installation: Installation, client: Client) -> None:
        self.installation, self.client = installation, client
        self.outbox = Outbox(installation.database, "default", client)
        self.reconciliation = Reconciliation(installation.database, "default", client)

    async def wait(self, *users: str) -> list[Any]:
        for minute, user in enumerate(users):
            await self.installation.ingest(push(f"e-{uuid4().hex}", minute, user))
        await self.outbox.flush()
        return [self.workflow_of(row) for row in await self.installation.rows()]

    def workflow_of(self, row: Any) -> Any:
        return self.client.get_workflow_handle(names.follow_up_id("default", row.campaign, row.user_key, row.id))

    async def notices(self, number: int) -> None:
        """Look until so many were ended: what Temporal lists is eventually consistent."""
        async with asyncio.timeout(10):
            while number > 0:
                number -= await self.reconciliation.reconcile()
                await asyncio.sleep(0.02)
        assert number == 0

    async def ends(self) -> list[tuple[str, str | None]]:
        return [(row.state, row.reason) for row in await self.installation.rows()]


@pytest.fixture
async def yard(sqlite_database: Database, environment: WorkflowEnvironment) -> Yard:
    installation = Installation(sqlite_database)
    await installation.publish(ORIGINAL, ABANDONED)
    return Yard(installation, environment.client)


async def test_terminated_one_is_recorded_and_not_started_again(yard: Yard) -> None:
    """Issue 3.9: dropped by an operator; the outbox leaves it, and its user may be triggered again."""
    first, _ = await yard.wait("a", "b")
    assert await yard.reconciliation.reconcile() == 0
    await first.terminate("not this one")
    await yard.notices(1)
    assert sorted(await yard.ends()) == [("dropped", "cancelled_by_operator"), ("waiting", None)]
    assert await yard.outbox.flush() == 0
    assert (await first.describe()).status is WorkflowExecutionStatus.TERMINATED
    assert await yard.reconciliation.reconcile() == 0
    await yard.installation.ingest(push("again", 10_000, "a"))
    assert sorted(state for state, _ in await yard.ends()) == ["dropped", "waiting", "waiting"]


async def test_terminated_before_its_start_was_marked(yard: Yard) -> None:
    """The outbox was killed between start and mark: the server refuses a second start, and the row ends."""
    [handle] = await yard.wait("a")
    async with yard.installation.database.write("default") as tx:
        await tx.execute(update(follow_ups).values(started_at=None))
    await handle.terminate()
    assert await yard.outbox.flush() == 1
    assert (await handle.describe()).status is WorkflowExecutionStatus.TERMINATED
    await yard.notices(1)
    assert await yard.ends() == [("dropped", "cancelled_by_operator")]


async def test_missed_while_no_worker_ran(yard: Yard) -> None:
    """The first look of a process goes back as far as Temporal remembers; later ones overlap."""
    first, second = await yard.wait("a", "b")
    await first.terminate()
    await yard.notices(1)
    await second.terminate()
    yard.reconciliation = Reconciliation(yard.installation.database, "default", yard.client)
    await yard.notices(1)
    [third] = [yard.workflow_of(row) for row in await _waiting(yard, "c")]
    assert await yard.reconciliation.reconcile() == 0
    await third.terminate()
    await yard.notices(1)


async def _waiting(yard: Yard, user: str) -> list[Any]:
    await yard.wait(user)
    return [row for row in await yard.installation.rows() if row.state == "waiting"]


async def test_failed_one_is_recorded_with_a_warning(yard: Yard, environment: WorkflowEnvironment) -> None:
    """Nobody asked for it: the row ends the same, and the log says where to look."""
    own = yard.installation.database
    workspace = f"w{uuid4().hex[:8]}"
    await yard.installation.ingest(push("e1", 0, "a"))
    async with own.write("default") as tx:
        await tx.execute(update(follow_ups).values(workspace=workspace))
    [row] = await yard.installation.rows()
    start = FollowUpStart(
        workspace=workspace,
        follow_up_id=row.id,
        campaign=row.campaign,
        user_key=row.user_key,
        due_at=row.due_at,
        channels=("push",),
    )
    handle = await yard.client.start_workflow(names.FOLLOW_UP, start, **start_arguments(start))
    queue = names.main_queue(workspace)
    async with Worker(environment.client, task_queue=queue, workflows=[Failing]):
        await until_event(handle, "WORKFLOW_EXECUTION_FAILED")
    yard.reconciliation = Reconciliation(own, workspace, yard.client)
    with capture_logs() as logs:
        await yard.notices(1)
    assert await yard.ends() == [("dropped", "cancelled_by_operator")]
    assert [(line["event"], line["log_level"], line["status"]) for line in logs] == [
        ("workflow_failed", "warning", "failed")
    ]


async def test_temporal_away_is_survived(yard: Yard) -> None:
    """It is logged, and the next look goes back as far: nothing is missed."""
    [handle] = await yard.wait("a")
    await handle.terminate()
    stopped, looks = asyncio.Event(), []
    reconciliation = Reconciliation(yard.installation.database, "default", yard.client, every_seconds=0.05)
    look = reconciliation.reconcile

    async def away_at_first() -> int:
        looks.append(len(looks))
        if len(looks) == 1:
            raise RPCError("away", RPCStatusCode.UNAVAILABLE, b"")
        return await look()

    reconciliation.reconcile = away_at_first  # type: ignore[method-assign]
    running = asyncio.create_task(reconciliation.run(stopped))
    async with asyncio.timeout(10):
        while await yard.ends() != [("dropped", "cancelled_by_operator")]:
            await asyncio.sleep(0.02)
    stopped.set()
    await running
    assert len(looks) >= 2


async def test_reset_one_goes_on(workspace: Workspace) -> None:
    """A reset terminates one run and begins another: the follow-up waits on."""
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    row = await workspace.becomes("later", "waiting")
    handle = workspace.workflow_of(row)
    await until_event(handle, "TIMER_STARTED")
    first = (await handle.describe()).run_id
    await workspace.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=workspace.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=first),
            reason="try again",
            workflow_task_finish_event_id=4,
            request_id=uuid4().hex,
        )
    )
    reconciliation = Reconciliation(workspace.database, workspace.name, workspace.client)
    closed = f"WorkflowId = '{handle.id}' AND ExecutionStatus = 'Terminated'"
    async with asyncio.timeout(10):
        while [one.run_id async for one in workspace.client.list_workflows(closed)] != [first]:
            await asyncio.sleep(0.05)
    assert await reconciliation.reconcile() == 0
    assert (await workspace.becomes("later", "waiting")).id == row.id
    await handle.signal(names.EXCEPTION, {"type": "make_purchase", "id": "p1"})
    await workspace.becomes("later", "excepted")


async def test_worker_notices_what_was_closed_in_the_ui(workspace: Workspace) -> None:
    """The worker itself looks: terminated by hand, the row ends without anybody's doing."""
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    handle = workspace.workflow_of(await workspace.becomes("later", "waiting"))
    await handle.terminate("by an operator")
    assert (await workspace.becomes("later", "dropped")).reason == "cancelled_by_operator"


async def test_updates_and_the_cancel_request_through_the_whole_worker(workspace: Workspace) -> None:
    """Issue 3.9: postponed and cancelled by request; store and workflow agree."""
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    row = await workspace.becomes("later", "waiting")
    handle = workspace.workflow_of(row)
    new = row.due_at + timedelta(days=1)
    told = await handle.execute_update(names.POSTPONE, {"until": new.isoformat()}, result_type=dict)
    assert (told["done"], told["state"]) == (True, "waiting")
    postponed = await workspace.becomes("later", "waiting")
    assert (postponed.next_at, postponed.due_at) == (new, row.due_at)
    await handle.cancel()
    assert (await workspace.becomes("later", "dropped")).reason == "cancelled_by_operator"
    await until_event(handle, "WORKFLOW_EXECUTION_CANCELED")


async def test_send_now_through_the_whole_worker(workspace: Workspace) -> None:
    """The row is sent a day before it was due."""
    await workspace.open(ORIGINAL, LATER)
    await workspace.receive_push()
    row = await workspace.becomes("later", "waiting")
    handle = workspace.workflow_of(row)
    await handle.execute_update(names.SEND_NOW)
    assert (await handle.result()).state == "sent"
    sent = await workspace.becomes("later", "sent")
    assert sent.dispatched_at < sent.due_at == row.due_at
