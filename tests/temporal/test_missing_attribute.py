"""A namespace of an earlier version that lacks `FollowUpReason`: nothing is lost, and `setup` lets workflows end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from temporalio.api.enums.v1 import IndexedValueType, WorkflowTaskFailedCause
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from connector.temporal.client import REASON, SEARCH_ATTRIBUTES, register_search_attributes
from connector.wire import FollowUpResult, SendOutcome
from tests.support.polling import until
from tests.support.temporal_server import open_namespace
from tests.support.workflow_harness import FakeActivities, WorkflowHarness

DROPPED = SendOutcome(outcome="dropped", state="dropped", reason="no_consent")
SECONDS = 120.0
EARLIER = {
    key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in SEARCH_ATTRIBUTES if key is not REASON
}


async def test_workflows_end_once_the_attribute_is_registered(environment: WorkflowEnvironment) -> None:
    """The message is decided once; the last task fails with the cause, and is repeated until `setup` has run."""
    client, fakes = await open_namespace(environment), FakeActivities(push=[DROPPED])
    await until(lambda: _register(client), "the attributes of the earlier version")
    async with WorkflowHarness(environment, fakes, client).workers() as harness:
        handle = await harness.follow_up()
        await until(lambda: _lacks_attribute(handle), "a task that fails for want of the attribute", seconds=SECONDS)
        assert await register_search_attributes(client) == [REASON.name]
        assert await asyncio.wait_for(handle.result(), SECONDS) == FollowUpResult(state="dropped", reason="no_consent")
    assert len(fakes.sent) == 1


async def _register(client: Client) -> bool:
    """Register the attributes of the earlier version, once the server knows the namespace."""
    request = AddSearchAttributesRequest(namespace=client.namespace, search_attributes=EARLIER)
    with suppress(RPCError):
        await client.operator_service.add_search_attributes(request)
        return True
    return False


async def _lacks_attribute(handle: WorkflowHandle[Any, Any]) -> bool:
    failed = [event.workflow_task_failed_event_attributes for event in (await handle.fetch_history()).events]
    return WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES in {one.cause for one in failed}
