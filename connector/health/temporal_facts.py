"""The facts about Temporal: the namespace, its search attributes, who polls, and whose tasks fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from datetime import UTC
from typing import Literal, TypeVar, get_args

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    CountWorkflowExecutionsRequest,
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from connector import names
from connector.health.facts import Poller, ReportedProblems, TaskQueueFacts, TemporalFacts
from connector.rules.model.values import ChannelName
from connector.settings.environment import SettingsWrong
from connector.temporal.client import TemporalLink, TemporalUnavailable
from connector.temporal.connection_faults import describe_connection_fault, find_connection_reason
from connector.temporal.search_attributes import type_name
from connector.temporal.versions import build_of, deployment_name, find_builds_with_tasks

_T = TypeVar("_T")


async def load_temporal_facts(link: TemporalLink, workspace: str, timeout_seconds: float) -> TemporalFacts:
    """Return the facts within the timeout; that Temporal does not answer is a fact."""
    try:
        async with asyncio.timeout(timeout_seconds):
            client = await link.client()
            return await _gather(client, workspace)
    except SettingsWrong as error:
        return TemporalFacts("a setting TEMPORAL_* cannot be used: correct it", str(error))
    except TemporalUnavailable as error:
        return _unusable(error.__cause__ or error, str(error))
    except (RPCError, TimeoutError) as error:
        return _unusable(error, describe_connection_fault(error))


def _unusable(cause: BaseException, detail: str) -> TemporalFacts:
    """Return the facts; an error that is not known is in the detail only, because its text may name hosts."""
    kind = cause.status.name if isinstance(cause, RPCError) else type(cause).__name__
    way_out = "start its server, or correct TEMPORAL_ADDRESS and the other settings TEMPORAL_*"
    return TemporalFacts(f"Temporal cannot be used: {find_connection_reason(cause) or kind}: {way_out}", detail)


async def _gather(client: Client, workspace: str) -> TemporalFacts:
    request = DescribeNamespaceRequest(namespace=client.namespace)
    try:
        await client.workflow_service.describe_namespace(request)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return TemporalFacts(namespace=client.namespace, has_namespace=False)
        raise
    attributes, reported, builds, queues = await asyncio.gather(
        _unless_refused(_list_search_attributes(client)),
        _unless_refused(_find_reported_problems(client, workspace)),
        find_builds_with_tasks(client, workspace),
        asyncio.gather(*(_describe_queue(client, *queue) for queue in _queues(workspace))),
    )
    return TemporalFacts(
        namespace=client.namespace,
        has_namespace=True,
        search_attributes=attributes,
        queues=queues,
        reported=reported,
        builds=builds,
        deployment=deployment_name(workspace),
    )


async def _unless_refused(call: Awaitable[_T]) -> _T | None:
    """Return the answer of a call; None if this server or these credentials do not allow it."""
    try:
        return await call
    except RPCError:
        return None


async def _list_search_attributes(client: Client) -> Mapping[str, str]:
    request = ListSearchAttributesRequest(namespace=client.namespace)
    answer = await client.operator_service.list_search_attributes(request)
    return {name: type_name(kind) for name, kind in answer.custom_attributes.items()}


async def _find_reported_problems(client: Client, workspace: str) -> ReportedProblems:
    queues = ", ".join(f'"{queue}"' for queue in (names.main_queue(workspace), names.registry_queue(workspace)))
    query = f'TaskQueue IN ({queues}) AND TemporalReportedProblems IS NOT NULL AND ExecutionStatus = "Running"'
    counting = CountWorkflowExecutionsRequest(namespace=client.namespace, query=query)
    count = (await client.workflow_service.count_workflow_executions(counting)).count
    if count == 0:
        return ReportedProblems(0, None)
    listing = ListWorkflowExecutionsRequest(namespace=client.namespace, query=query, page_size=1)
    found = (await client.workflow_service.list_workflow_executions(listing)).executions
    return ReportedProblems(count, found[0].execution.workflow_id if found else None)


_Kind = Literal["workflow", "activity"]


def _queues(workspace: str) -> Iterator[tuple[str, _Kind, str | None]]:
    for queue in (names.main_queue(workspace), names.registry_queue(workspace)):
        yield queue, "workflow", None
        yield queue, "activity", None
    for channel in get_args(ChannelName):
        yield names.channel_queue(workspace, channel), "activity", channel


async def _describe_queue(client: Client, name: str, kind: _Kind, channel: str | None) -> TaskQueueFacts:
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=name),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
        if kind == "workflow"
        else TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    answer = await client.workflow_service.describe_task_queue(request)
    now = time.time()
    pollers: Sequence[Poller] = [
        Poller(poller.identity, now - poller.last_access_time.ToDatetime(UTC).timestamp(), build_of(poller))
        for poller in answer.pollers
    ]
    return TaskQueueFacts(name, kind, pollers, channel)
