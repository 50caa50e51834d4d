"""The registry with its real activities on SQLite: whatever becomes of the workflow, the store stands."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from activities.publish import Publisher
from connector import names
from connector.rules.model.campaigns import parse_definition
from connector.rules.model.errors import OrderRefused
from connector.store.catalogue.cache import CatalogueCache
from connector.store.catalogue.drafts import save_drafts
from connector.store.engine.database import Database, database_now
from connector.store.tables import orders, publications
from connector.temporal.registry_client import submit_order
from connector.wire import Order, OrderReceipt
from tests.support.builders import ORIGINAL, PUSHED, follow_on
from tests.support.polling import until
from tests.support.temporal_server import until_event
from workflows.registry import RegistryWorkflow

F = follow_on("f", PUSHED, delay={"after": "1 day"})


class Office:
    """One workspace with its registry."""

    def __init__(self, database: Database, client: Client) -> None:
        self.database, self.client = database, client
        self.workspace = f"w{uuid4().hex[:8]}"

    @property
    def registry(self) -> Any:
        return self.client.get_workflow_handle(names.registry_id(self.workspace))

    async def apply(self, *definitions: dict[str, Any]) -> None:
        async with self.database.write(self.workspace) as tx:
            await save_drafts(tx, [parse_definition(d) for d in definitions], await database_now(tx))

    async def order(self, verb: Any, *ids: str, order_id: str | None = None) -> OrderReceipt:
        what = Order(workspace=self.workspace, order_id=order_id or uuid4().hex, verb=verb, ids=ids)
        return await submit_order(self.client, what, may_repeat=order_id is not None)

    async def stands(self) -> tuple[int, list[Any]]:
        """How many orders were carried out, and every window."""
        async with self.database.read("default") as tx:
            count = (await tx.execute(select(func.count()).select_from(orders))).scalar_one()
            return count, list((await tx.execute(select(publications).order_by(publications.c.window_id))).all())


@pytest.fixture
async def office(environment: WorkflowEnvironment, sqlite_database: Database) -> AsyncIterator[Office]:
    async with _opened(environment, sqlite_database) as opened:
        yield opened


@asynccontextmanager
async def _opened(environment: WorkflowEnvironment, database: Database) -> AsyncIterator[Office]:
    office = Office(database, environment.client)
    publisher = Publisher(database, CatalogueCache(office.workspace), office.workspace)
    async with Worker(
        office.client,
        task_queue=names.registry_queue(office.workspace),
        workflows=[RegistryWorkflow],
        activities=[publisher.carry_out_order, publisher.end_waits],
        debug_mode=True,
    ):
        yield office


async def test_the_recommended_order(office: Office) -> None:
    """P3: F before O is the recommended order; O before a draft F is refused with the way out."""
    await office.apply(ORIGINAL, F)
    with pytest.raises(OrderRefused, match="f"):
        await office.order("publish", "o")
    assert (await office.order("publish", "f")).changed == ("f",)
    assert (await office.order("publish", "o")).changed == ("o",)


async def test_terminated_and_started_again_changes_nothing(office: Office) -> None:
    """The store stands: the next order starts a registry that knows nothing, and it judges by the store."""
    await office.apply(ORIGINAL, F)
    receipt = await office.order("publish", "f", "o", order_id="once")
    await office.registry.terminate()
    assert await office.order("publish", "f", "o", order_id="once") == receipt
    assert (await office.order("publish", "f")).unchanged == ("f",)
    assert (await office.order("stop", "f")).changed == ("f",)
    assert (await office.registry.describe()).status is WorkflowExecutionStatus.RUNNING


async def test_refused_order_is_evaluated_again(office: Office) -> None:
    """An id belongs to an order that was carried out: Temporal's memory of a refusal does not outlive its cause."""
    await office.apply(ORIGINAL, F)
    for _ in range(2):
        with pytest.raises(OrderRefused, match="f"):
            await office.order("publish", "o", order_id="again")
    await office.order("publish", "f")
    receipt = await office.order("publish", "o", order_id="again")
    assert receipt.changed == ("o",)
    assert await office.order("publish", "o", order_id="again") == receipt


async def test_order_id_of_another_order_is_refused(office: Office) -> None:
    """Another order under the same id changes nothing, also while the first is still in progress."""
    await office.apply(ORIGINAL, F)
    both = [office.order("publish", "f", order_id="one"), office.order("publish", "f", "o", order_id="one")]
    first, second = await asyncio.gather(*both, return_exceptions=True)
    receipt, refusal = (first, second) if isinstance(first, OrderReceipt) else (second, first)
    assert isinstance(receipt, OrderReceipt)
    assert isinstance(refusal, OrderRefused)
    assert "belongs to another order, `publish f" in str(refusal)
    with pytest.raises(OrderRefused, match="use a new key"):
        await office.order("stop", "f", order_id="one")
    assert (await office.stands())[0] == 1


async def test_reset_changes_nothing(office: Office) -> None:
    """A reset to the beginning carries the same orders out again, and each finds its receipt."""
    await office.apply(ORIGINAL, F)
    for verb in ("publish", "stop", "resume"):
        await office.order(verb, "f")
    before = await office.stands()
    described = await office.registry.describe()
    reset = ResetWorkflowExecutionRequest(
        namespace=office.client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=described.id, run_id=described.run_id),
        reason="a test",
        workflow_task_finish_event_id=await _first_finished_task(office),
        request_id=uuid4().hex,
    )
    run_id = (await office.client.workflow_service.reset_workflow_execution(reset)).run_id
    again = office.client.get_workflow_handle(described.id, run_id=run_id)

    async def has_three() -> bool:
        return len(await again.query(names.ORDERS)) >= 3

    await until(has_three, "three orders")
    assert await office.stands() == before


async def _first_finished_task(office: Office) -> int:
    await until_event(office.registry, "WORKFLOW_TASK_COMPLETED")
    history = await office.registry.fetch_history()
    return next(
        event.event_id for event in history.events if event.HasField("workflow_task_completed_event_attributes")
    )


async def test_hundreds_of_campaigns_in_one_order(office: Office) -> None:
    """P5: a list is one order with one instant, however long."""
    many = [follow_on(f"f{number}", PUSHED, delay={"after": "1 day"}) for number in range(300)]
    await office.apply(ORIGINAL, *many)
    receipt = await office.order("publish", *(one["campaign"] for one in many), "o")
    assert len(receipt.changed) == 301
    assert receipt.changed[-1] == "o"
    assert {row.opened_at for row in (await office.stands())[1]} == {receipt.effective_at}
