"""Worker versions on a real server: the commands of docs/upgrades.md, with follow-ups that wait across each change."""

from __future__ import annotations

import asyncio
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from temporalio.api.workflowservice.v1 import DescribeWorkerDeploymentVersionRequest
from temporalio.client import WorkflowHandle
from temporalio.common import WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment

from connector import names
from connector.app.version import program_version
from connector.health.checks import CheckName
from connector.health.probe import Probe
from connector.rules.model.values import ChannelName
from connector.store.catalogue.cache import CatalogueCache
from connector.store.engine.database import Database
from connector.temporal.client import TemporalLink
from connector.temporal.versions import deployment_name, find_builds_with_tasks
from connector.wire import FollowUpEnd
from tests.support.polling import until
from tests.support.repository import ROOT
from tests.support.temporal_server import until_event
from tests.support.workflow_harness import SENT, FakeActivities, WorkflowHarness
from tests.support.workspace import settings_for, working

FIRST, SECOND = "0.2.0", "0.3.0"
COMMANDS = [line for line in (ROOT / "docs/upgrades.md").read_text().splitlines() if line.startswith("temporal worker")]
SECONDS = 90.0


class Operator:
    """Types the commands of the page, in their order, for the deployment of a workspace of this test."""

    def __init__(self, harness: WorkflowHarness) -> None:
        self._harness, self._left = harness, list(COMMANDS)
        self._program = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))

    async def types(self, beginning: str) -> str:
        """Run the next command of the page, which must begin so, until it succeeds: a build may not poll yet."""
        command = self._left.pop(0).removeprefix("temporal worker deployment ")
        assert command.startswith(beginning)
        words = command.replace("connector-default", deployment_name(self._harness.workspace)).split()
        printed: list[str] = []

        async def succeeds() -> bool:
            address = self._harness.client.service_client.config.target_host
            process = await asyncio.create_subprocess_exec(
                self._program, "worker", "deployment", *words, "--address", address,
                stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
            output, _ = await process.communicate()
            printed.append(output.decode())
            return process.returncode == 0

        await until(succeeds, f"{command} ({printed})", seconds=SECONDS)
        return printed[-1]

    @property
    def is_done(self) -> bool:
        """Whether every command of the page has been typed."""
        return not self._left


async def _waiting(harness: WorkflowHarness) -> WorkflowHandle[Any, Any]:
    """Start a follow-up whose timer runs in real time, and return it once it waits."""
    handle = await harness.follow_up(delay=timedelta(days=1))
    await until_event(handle, "TIMER_STARTED")
    return handle


async def _end(handle: WorkflowHandle[Any, Any]) -> str:
    """End a wait, and return the build that completed the last workflow task; '' if it has none."""
    await handle.signal(names.ENDED, FollowUpEnd(state="dropped", reason="stopped"))
    assert (await asyncio.wait_for(handle.result(), SECONDS)).state == "dropped"
    done = [
        event.workflow_task_completed_event_attributes
        for event in (await handle.fetch_history()).events
        if event.HasField("workflow_task_completed_event_attributes")
    ]
    return done[-1].deployment_version.build_id


@pytest.mark.timeout(400)
async def test_waits_go_on_across_every_change(environment: WorkflowEnvironment) -> None:
    """Switched on, ramped, upgraded, rolled back, switched off: each wait goes on with the build that is current."""
    harness = WorkflowHarness(environment, FakeActivities(push=[SENT] * 20))
    operator = Operator(harness)

    async def builds() -> set[str | None]:
        return set(await find_builds_with_tasks(harness.client, harness.workspace))

    with environment.with_time_skipping_disabled():
        async with harness.workers():
            unversioned = await _waiting(harness)
        async with harness.workers(FIRST):
            assert await builds() == {None}
            await operator.types("set-current-version")
            assert await builds() == {FIRST}
            assert await _end(unversioned) == FIRST
            assert (await asyncio.wait_for((await harness.follow_up()).result(), SECONDS)).state == "sent"
            waits = [await _waiting(harness) for _ in range(6)]
            async with harness.workers(SECOND):
                await operator.types("set-ramping-version")
                assert await builds() == {FIRST, SECOND}
                shown = await operator.types("describe")
                assert (FIRST in shown, SECOND in shown) == (True, True)
                assert {await _end(handle) for handle in waits[:3]} <= {FIRST, SECOND}
                await operator.types("set-current-version")
        assert await builds() == {SECOND}
        async with harness.workers(SECOND):
            assert await _end(waits[3]) == SECOND
        async with harness.workers(FIRST):
            await operator.types("set-current-version")
            assert await _end(waits[4]) == FIRST
        async with harness.workers():
            await operator.types("set-current-version")
            assert await _end(waits[5]) == ""
    assert operator.is_done


async def test_every_worker_of_a_process_has_the_build_id(
    environment: WorkflowEnvironment, sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    """All queues of a process belong to its build, and `/readyz` says that none is current, with the command."""
    workspace = f"w.{uuid4().hex[:8]}"  # a `.` is reserved in names of deployments
    settings = settings_for(workspace, sqlite_url, tmp_path).model_copy(update={"build_id": FIRST})
    version = WorkerDeploymentVersion(deployment_name(workspace), FIRST)
    queues = {names.main_queue(workspace), names.registry_queue(workspace)}
    queues |= {names.channel_queue(workspace, channel) for channel in get_args(ChannelName)}
    probe = Probe(sqlite_database, CatalogueCache(workspace), workspace, TemporalLink(environment.client))

    async def complains() -> str | None:
        [check] = [one for one in (await probe.read_now(30.0)).checks if one.name is CheckName.WORKER]
        return check.problem if "build id" in (check.problem or "") else None

    with capture_logs() as logs:
        async with working(environment, settings):
            await until(
                lambda: _has_queues(environment, version, queues), "every queue in the version", seconds=SECONDS
            )
            problem = await until(complains, "the check that names the build", seconds=SECONDS)
    assert f"--deployment-name {version.deployment_name} --build-id {FIRST}" in problem
    [started] = [log for log in logs if log["event"] == "worker_started"]
    assert (started["build_id"], started["version"]) == (FIRST, program_version())


async def _has_queues(environment: WorkflowEnvironment, version: WorkerDeploymentVersion, queues: set[str]) -> bool:
    request = DescribeWorkerDeploymentVersionRequest(
        namespace="default",
        deployment_version={"deployment_name": version.deployment_name, "build_id": version.build_id},
    )
    try:
        described = await environment.client.workflow_service.describe_worker_deployment_version(request)
    except RPCError:  # the version is made by the first poll
        return False
    return {queue.name for queue in described.version_task_queues} == queues
