"""A namespace of an earlier version that lacks `FollowUpReason`: nothing is lost, and `setup` lets workflows end."""

from __future__ import annotations

from typing import Any

from temporalio.api.enums.v1 import IndexedValueType, WorkflowTaskFailedCause
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHandle

from connector.temporal.client import REASON, SEARCH_ATTRIBUTES, register_search_attributes
from connector.wire import FollowUpResult, SendOutcome
from tests.support.polling import until
from tests.support.temporal_server import open_environment
from tests.support.workflow_harness import FakeActivities, WorkflowHarness

DROPPED = SendOutcome(outcome="dropped", state="dropped", reason="no_consent")
EARLIER = {
    key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in SEARCH_ATTRIBUTES if key is not REASON
}


async def test_workflows_end_once_the_attribute_is_registered() -> None:
    """The message is decided once; the last task fails with the cause, and is repeated until `setup` has run."""
    told = FakeActivities(push=[DROPPED])
    async with await open_environment() as environment:
        request = AddSearchAttributesRequest(namespace=environment.client.namespace, search_attributes=EARLIER)
        await environment.client.operator_service.add_search_attributes(request)
        async with WorkflowHarness(environment, told).workers() as harness:
            handle = await harness.follow_up()
            await until(lambda: _lacks_attribute(handle), "a task that fails for want of the attribute")
            assert await register_search_attributes(environment.client) == [REASON.name]
            assert await handle.result() == FollowUpResult(state="dropped", reason="no_consent")
    assert len(told.sent) == 1


async def _lacks_attribute(handle: WorkflowHandle[Any, Any]) -> bool:
    failed = [event.workflow_task_failed_event_attributes for event in (await handle.fetch_history()).events]
    return WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_BAD_SEARCH_ATTRIBUTES in {one.cause for one in failed}
