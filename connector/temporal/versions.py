"""Worker versioning, opt-in: which of the workers that run side by side gets the tasks, as Temporal's operators say.

Without a build id nothing here is used, and every worker gets tasks as soon as it polls.
"""

from __future__ import annotations

from temporalio.api.enums.v1 import WorkerVersioningMode
from temporalio.api.taskqueue.v1 import PollerInfo
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import WorkerDeploymentConfig

from connector.temporal.client import RPC_TIMEOUT


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


async def find_builds_with_tasks(client: Client, workspace: str) -> frozenset[str | None]:
    """Return the builds to which Temporal gives tasks: the current and the ramping one.

    None means workers without a build id, which get the tasks while no build is current, also of a server that
    knows no versions.
    """
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=deployment_name(workspace))
    try:
        described = await client.workflow_service.describe_worker_deployment(request, timeout=RPC_TIMEOUT)
    except RPCError:
        return frozenset({None})
    routing = described.worker_deployment_info.routing_config
    ramping = {routing.ramping_deployment_version.build_id} - {""}
    return frozenset({routing.current_deployment_version.build_id or None, *ramping})


def build_of(poller: PollerInfo) -> str | None:
    """Return the build of a worker that polls; None: it is not versioned."""
    options = poller.deployment_options
    is_versioned = options.worker_versioning_mode == WorkerVersioningMode.WORKER_VERSIONING_MODE_VERSIONED
    return options.build_id if is_versioned else None
