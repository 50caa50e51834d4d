"""A real Temporal server with virtual time, and questions about a workflow."""

import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.temporal.client import connector_plugin
from tests.support.polling import until

DYNAMIC = {
    "frontend.WorkflowTimeSkippingEnabled": "true",
    "system.forceSearchAttributesCacheRefreshOnRead": "true",
    "limit.historyCount.suggestContinueAsNew": "60",
}
_STARTS = 5


async def open_environment(*, identity: str | None = None) -> WorkflowEnvironment:
    """Start a server with virtual time per workflow that suggests continue-as-new early.

    The SDK gives it five seconds, which a busy machine exceeds, so it is started again.
    """
    os.environ["TEST_TEMPORAL_PROGRAM"] = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
    words = [word for name, value in DYNAMIC.items() for word in ("--dynamic-config-value", f"{name}={value}")]
    for _ in range(_STARTS):
        with suppress(RuntimeError):
            return await _start(words, identity)
    return await _start(words, identity)


async def _start(words: list[str], identity: str | None) -> WorkflowEnvironment:
    return await WorkflowEnvironment.start_time_skipping_v2(
        dev_server_existing_path=str(Path(__file__).with_suffix(".sh")),
        dev_server_extra_args=words,
        identity=identity,
        plugins=[connector_plugin()],
    )


async def open_namespace(environment: WorkflowEnvironment) -> Client:
    """Return a client of a new namespace, which has no search attributes."""
    name = f"fresh-{uuid4().hex[:8]}"
    request = RegisterNamespaceRequest(namespace=name, workflow_execution_retention_period=Duration(seconds=86_400))
    await environment.client.workflow_service.register_namespace(request)
    return Client(**{**environment.client.config(), "namespace": name})  # type: ignore[arg-type]


async def until_event(handle: WorkflowHandle[Any, Any], kind: str) -> None:
    """Poll until the history has an event of this kind."""

    async def is_there() -> bool:
        return kind in await events_of(handle)

    await until(is_there, f"the event {kind}")


async def events_of(handle: WorkflowHandle[Any, Any]) -> list[str]:
    """Return the kinds of the events in the history, except those of virtual time."""
    kinds = [EventType.Name(event.event_type) for event in (await handle.fetch_history()).events]
    return [kind.removeprefix("EVENT_TYPE_") for kind in kinds if "TIME_SKIPPING" not in kind]


async def attributes_of(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """Return the search attributes by name."""
    return {pair.key.name: pair.value for pair in (await handle.describe()).typed_search_attributes}


async def state_of(handle: WorkflowHandle[Any, Any]) -> Any:
    """Return the state in the search attribute."""
    return (await attributes_of(handle))[names.STATE_ATTRIBUTE]
