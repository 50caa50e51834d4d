"""The Registry workflow: one order at a time, refusals told, a new run when it has grown long."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from connector import names
from connector.rules.model.errors import OrderRefused
from connector.temporal.registry_client import OrderUnanswered, RegistryUnavailable, submit_order
from connector.wire import RegistryState
from tests.support.polling import until
from tests.support.temporal_server import events_of
from tests.support.workflow_harness import PROBLEMS, FakeActivities, WorkflowHarness
from workflows.registry import RegistryWorkflow


async def test_orders_are_carried_out_one_at_a_time(environment: WorkflowEnvironment) -> None:
    """Design 6: orders that come together are put in a line; each gets its own receipt."""
    told = FakeActivities()
    async with WorkflowHarness(environment, told).workers() as harness:
        orders = [harness.order("publish", f"c{number}") for number in range(8)]
        receipts = await asyncio.gather(*(submit_order(harness.client, order) for order in orders))
    assert [receipt.changed for receipt in receipts] == [order.ids for order in orders]
    assert sorted(receipt.version for receipt in receipts) == list(range(1, 9))


async def test_refused_order_tells_every_problem(environment: WorkflowEnvironment) -> None:
    """Guarantee 7: the caller gets the problems, and the registry goes on."""
    async with WorkflowHarness(environment, FakeActivities()).workers() as harness:
        with pytest.raises(OrderRefused) as refused:
            await submit_order(harness.client, harness.order("publish", "a", "refuse-me"))
        assert refused.value.problems == PROBLEMS
        assert (await submit_order(harness.client, harness.order("publish", "a"))).changed == ("a",)
        assert len(await harness.registry.query(names.ORDERS)) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ids": ()}, "between 1 and 10000 ids"),
        ({"ids": ("a", "")}, "none of them empty"),
        ({"ids": ("a",) * 10_001}, "between 1 and 10000 ids"),
        ({"workspace": "elsewhere"}, "not of elsewhere"),
        ({"verb": "stop"}, "carries an order to stop"),
        ({"order_id": ""}, "needs an order_id"),
    ],
)
async def test_misshapen_order_leaves_nothing_in_the_history(
    environment: WorkflowEnvironment, changes: dict[str, Any], words: str
) -> None:
    """The validator looks at the shape only, and what it rejects costs no event."""
    told = FakeActivities()
    async with WorkflowHarness(environment, told).workers() as harness:
        await submit_order(harness.client, harness.order("publish", "a"))
        await until(lambda: told.ended == [()])
        before = await events_of(harness.registry)
        order = harness.order("publish", "a").model_copy(update=changes)
        with pytest.raises(WorkflowUpdateFailedError) as rejected:
            await harness.registry.execute_update("publish", order)
        assert words in str(rejected.value.__cause__)
        after = [kind for kind in await events_of(harness.registry) if "UPDATE" in kind]
    assert after == [kind for kind in before if "UPDATE" in kind]
    assert len(told.orders) == 1


async def test_stop_answers_before_the_waits_end(environment: WorkflowEnvironment) -> None:
    """P9: the window is closed when the answer comes; the waits end after it, those stopped meanwhile together."""
    told = FakeActivities()
    told.may_end.clear()
    async with WorkflowHarness(environment, told).workers() as harness:
        await submit_order(harness.client, harness.order("stop", "a"))
        await until(lambda: ("a",) in told.ended)
        await submit_order(harness.client, harness.order("archive", "b"))
        await submit_order(harness.client, harness.order("resume", "a"))
        await submit_order(harness.client, harness.order("stop", "c"))
        told.may_end.set()
        await until(lambda: len(told.ended) == 3)
    assert told.ended == [(), ("a",), ("b", "c")]


async def test_new_run_when_it_has_grown_long(environment: WorkflowEnvironment) -> None:
    """Continue-as-new: no order is lost, the log goes on, and so do the waits that are still to be ended."""
    told = FakeActivities()
    told.may_end.clear()
    async with WorkflowHarness(environment, told).workers() as harness:
        await submit_order(harness.client, harness.order("stop", "first"))
        first = (await harness.registry.describe()).run_id
        await until(lambda: ("first",) in told.ended)
        for number in range(12):
            await submit_order(harness.client, harness.order("stop", f"c{number}"))
        assert (await harness.registry.describe()).run_id == first
        told.may_end.set()
        await until(lambda: len(told.ended) == 3)
        receipts = await asyncio.gather(
            *(submit_order(harness.client, harness.order("publish", f"d{number}")) for number in range(4))
        )
        assert (await harness.registry.describe()).run_id != first
        log = await harness.registry.query(names.ORDERS)
    assert told.ended == [(), ("first",), tuple(f"c{number}" for number in range(12))]
    assert [order.ids for order in told.orders[:13]] == [("first",), *((f"c{number}",) for number in range(12))]
    assert max(receipt.version for receipt in receipts) == len(told.orders) == len(log) == 17


async def test_log_is_short(environment: WorkflowEnvironment) -> None:
    """The registry keeps the last 50 orders, however many there were and however many runs they took."""
    async with WorkflowHarness(environment, FakeActivities()).workers() as harness:
        for number in range(55):
            await submit_order(harness.client, harness.order("publish", f"c{number}", "x", "y", "z"))
        log = await harness.registry.query(names.ORDERS)
    assert len(log) == 50
    assert log[-1].endswith("Z publish c54, x, y and 1 more")
    assert "c5," in log[0]


async def test_without_a_worker_the_caller_is_told(environment: WorkflowEnvironment) -> None:
    """No worker: an error in good time that says what to start and what may happen; repeated, it is one order."""
    told = FakeActivities()
    harness = WorkflowHarness(environment, told)
    order = harness.order("publish", "a")
    words = r"no worker is polling .* start one with `connector worker`\. The order may still be carried out"
    for _ in range(12):  # more than Temporal takes of different updates
        with pytest.raises(OrderUnanswered, match=words):
            await submit_order(harness.client, order, answer_timeout=timedelta(seconds=0.5))
    async with harness.workers():
        assert (await submit_order(harness.client, order)).changed == ("a",)
    assert told.orders == [order]


async def test_registry_of_an_earlier_version_moves(environment: WorkflowEnvironment) -> None:
    """One that runs on the queue of the follow-ups takes orders, and moves to its own when it continues as new."""
    told = FakeActivities()
    harness = WorkflowHarness(environment, told)
    await harness.client.start_workflow(
        names.REGISTRY,
        RegistryState(workspace=harness.workspace),
        id=names.registry_id(harness.workspace),
        task_queue=names.main_queue(harness.workspace),
    )
    first = (await harness.registry.describe()).run_id
    main = Worker(
        harness.client,
        task_queue=names.main_queue(harness.workspace),
        workflows=[RegistryWorkflow],
        activities=[told.carry_out_order, told.end_waits],
        debug_mode=True,
    )
    async with main, harness.registry_worker():
        while (described := await harness.registry.describe()).run_id == first:
            await submit_order(harness.client, harness.order("publish", "a"))
        assert described.task_queue == names.registry_queue(harness.workspace)
        assert (await submit_order(harness.client, harness.order("publish", "b"))).changed == ("b",)


async def test_registry_closed_in_temporal_is_no_refusal(environment: WorkflowEnvironment) -> None:
    """An order in progress when an operator terminates the registry may have been carried out."""
    told = FakeActivities()
    told.may_carry_out.clear()
    async with WorkflowHarness(environment, told).workers() as harness:
        submitted = asyncio.create_task(submit_order(harness.client, harness.order("publish", "a")))
        await until(lambda: told.busy)
        await harness.registry.terminate()
        with pytest.raises(RegistryUnavailable, match="may still be carried out"):
            await submitted
        told.may_carry_out.set()
