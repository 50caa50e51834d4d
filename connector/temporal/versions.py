"""Worker versioning, opt-in: which of the workers that run side by side gets the tasks, as Temporal's operators say.

Without a build id nothing here is used, and every worker gets tasks as soon as it polls.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Literal

import structlog
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import WorkerDeploymentConfig

from connector.temporal.client import RPC_TIMEOUT

_log = structlog.get_logger("worker")
_CHECK_EVERY_SECONDS = 60.0

Routing = Literal["current", "ramping", "not_current", "none_is_current", "unknown"]
"""Whether this version gets tasks; `none_is_current`: no version of the deployment does, so that all of them wait."""


def deployment_name(workspace: str) -> str:
    """Return the name of the workspace's Worker Deployment, in which `.` is reserved."""
    return f"connector-{workspace.replace('.', '%2E')}"


def deployment_config(workspace: str, build_id: str | None) -> WorkerDeploymentConfig | None:
    """Return the versioning of every worker of a process; None: without a build id there is none.

    Follow-ups wait for weeks, so each goes on with the version that is current when its wait ends; the histories of
    every release are replayed before the next one.
    """
    if build_id is None:
        return None
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name(workspace), build_id),
        use_worker_versioning=True,
        default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
    )


async def watch_routing(client: Client, version: WorkerDeploymentVersion, stopped: asyncio.Event) -> None:
    """Log whether this version gets tasks, now and when it changes, until `stopped`."""
    shown: Routing = "unknown"
    while not stopped.is_set():
        routing = await read_routing(client, version)
        if routing not in (shown, "unknown"):
            shown = routing
            _log_routing(version, routing)
        with suppress(TimeoutError):
            await asyncio.wait_for(stopped.wait(), _CHECK_EVERY_SECONDS)


async def read_routing(client: Client, version: WorkerDeploymentVersion) -> Routing:
    """Return whether Temporal gives tasks to this version; `unknown` if it does not answer or knows no version yet."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=version.deployment_name)
    try:
        described = await client.workflow_service.describe_worker_deployment(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        return "none_is_current" if error.status is RPCStatusCode.NOT_FOUND else "unknown"
    routing = described.worker_deployment_info.routing_config
    if routing.current_deployment_version.build_id == version.build_id:
        return "current"
    if routing.ramping_deployment_version.build_id == version.build_id:
        return "ramping"
    is_none = not routing.HasField("current_deployment_version") and not routing.HasField("ramping_deployment_version")
    return "none_is_current" if is_none else "not_current"


def _log_routing(version: WorkerDeploymentVersion, routing: Routing) -> None:
    place = {"deployment": version.deployment_name, "build_id": version.build_id}
    if routing == "none_is_current":
        command = (
            f"temporal worker deployment set-current-version --deployment-name {version.deployment_name} "
            f"--build-id {version.build_id}"
        )
        _log.warning("worker_version_without_tasks", **place, note=f"no version is current; make one so: {command}")
        return
    _log.info("worker_version", **place, routing=routing)
