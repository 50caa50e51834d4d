"""The one seam to Temporal: how we connect, encode, sandbox, and what can be searched for."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.common import (
    Priority,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError
from temporalio.worker import WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from connector import names
from connector.wire import FollowUpStart, LaunchStart

_log = structlog.get_logger("temporal")

CAMPAIGN = SearchAttributeKey.for_keyword("CampaignId")
USER_KEY = SearchAttributeKey.for_keyword("UserKey")
STATE = SearchAttributeKey.for_keyword(names.STATE_ATTRIBUTE)
DUE_AT = SearchAttributeKey.for_datetime("DueAt")
SEARCH_ATTRIBUTES: tuple[SearchAttributeKey[Any], ...] = (CAMPAIGN, USER_KEY, STATE, DUE_AT)
"""Every search attribute that we use; `connector setup`, `connector dev` and the tests register these."""

_LONGEST_PAUSE = 30.0


def connector_plugin() -> SimplePlugin:
    """What client, worker, tests and Replayer must have in common: the data converter and the sandbox."""
    return SimplePlugin(
        "campaign-connector",
        data_converter=pydantic_data_converter,
        workflow_runner=_sandbox,
    )


async def connect(*, attempts: int | None = 10) -> Client:
    """Connect as TEMPORAL_* and the profiles of `temporal` say (localhost:7233 where they say nothing).

    Args:
        attempts: how often to try, with growing pauses; None: for ever.

    Raises:
        RuntimeError: the server did not answer.
    """
    config: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    config.setdefault("target_host", "localhost:7233")
    pause, tried = 0.5, 0
    while True:
        try:
            return await Client.connect(**config, plugins=[connector_plugin()])
        except RuntimeError as error:
            tried += 1
            if attempts is not None and tried >= attempts:
                raise
            _log.info("temporal_not_there_yet", address=config["target_host"], error=str(error)[:200])
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


async def register_search_attributes(client: Client) -> list[str]:
    """Register those that are missing, and return their names; harmless to repeat.

    Raises:
        RPCError: the server refused, or is one whose search attributes are managed elsewhere.
    """
    operator = client.operator_service
    known = await operator.list_search_attributes(ListSearchAttributesRequest(namespace=client.namespace))
    missing = [key for key in SEARCH_ATTRIBUTES if key.name not in known.custom_attributes]
    if missing:
        await operator.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes={key.name: IndexedValueType.ValueType(key.indexed_value_type) for key in missing},
            )
        )
    return [key.name for key in missing]


async def is_reachable(client: Client) -> bool:
    """Whether the server answers now."""
    try:
        return await client.service_client.check_health()
    except RPCError:
        return False


def start_arguments(start: FollowUpStart) -> dict[str, Any]:
    """How a follow-up's workflow is started: once, findable, and readable in the UI without personal data."""
    due = start.due_at.astimezone(UTC)
    return {
        "id": names.follow_up_id(start.workspace, start.campaign, start.user_key, start.follow_up_id),
        "task_queue": names.main_queue(start.workspace),
        "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
        "id_conflict_policy": WorkflowIDConflictPolicy.USE_EXISTING,
        "static_summary": f"{start.campaign} · due {_short(due)}",
        "static_details": (
            f"Follow-up `{start.follow_up_id}` of **{start.campaign}** on {', '.join(start.channels)}.\n\n"
            f"Waits until {_short(due)} unless an exception calls it off."
        ),
        "search_attributes": TypedSearchAttributes(
            [
                SearchAttributePair(CAMPAIGN, start.campaign),
                SearchAttributePair(USER_KEY, start.user_key),
                SearchAttributePair(STATE, "waiting"),
                SearchAttributePair(DUE_AT, due),
            ]
        ),
        "priority": Priority(fairness_key=start.campaign[:64]),
    }


def launch_arguments(start: LaunchStart) -> dict[str, Any]:
    """How a launch's workflow is started: once, and findable by its campaign."""
    return {
        "id": names.launch_id(start.workspace, start.campaign, start.launch_id),
        "task_queue": names.main_queue(start.workspace),
        "id_reuse_policy": WorkflowIDReusePolicy.REJECT_DUPLICATE,
        "id_conflict_policy": WorkflowIDConflictPolicy.FAIL,
        "static_summary": f"launch of {start.campaign}",
        "static_details": f"The launch of **{start.campaign}** to its audience.",
        "search_attributes": TypedSearchAttributes([SearchAttributePair(CAMPAIGN, start.campaign)]),
        "priority": Priority(fairness_key=start.campaign[:64]),
    }


def _short(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%MZ}"


def _sandbox(runner: WorkflowRunner | None) -> WorkflowRunner:
    """Keep the sandbox on, without loading our pure modules anew for every workflow run."""
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner or SandboxedWorkflowRunner()
    passed = runner.restrictions.with_passthrough_modules("connector", "pydantic", "pydantic_core", "annotated_types")
    return replace(runner, restrictions=passed)
