"""A launch whose worker, a process of its own, is killed by the system in the middle of sending, and one stopped then.

The receiver of its webhooks counts what arrives: that is what users would have got.
"""

import asyncio
import os
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from temporalio.client import WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment
from werkzeug import Request, Response

from connector.store.engine.database import Database
from tests.support.polling import until
from tests.support.workspace import LaunchWorkspace

USERS = 200
CONCURRENT_SENDS = 20
Worker = asyncio.subprocess.Process


class LaunchByProcess:
    """A square whose worker is a process, and the receiver of what it sends."""

    def __init__(
        self, workspace: LaunchWorkspace, receiver: HTTPServer, environment: dict[str, str], log: Path
    ) -> None:
        self.workspace, self.environment, self.log = workspace, environment, log
        self.arrived: Counter[str] = Counter()
        self.url = receiver.url_for("/hook")
        receiver.expect_request("/hook").respond_with_handler(self._take)

    def _take(self, request: Request) -> Response:
        self.arrived[request.get_data(as_text=True)] += 1
        return Response(status=204)

    async def start(self) -> WorkflowHandle[Any, Any]:
        webhook = {"url": self.url, "body": "{{ user.id | raw }}"}
        delivery = {"type": "scheduled", "send": "at_publish"}
        await self.workspace.drafts({"campaign": "o", "delivery": delivery, "messages": {"webhook": webhook}})
        await self.workspace.order("publish", "o")
        return await self.workspace.handle()

    async def miss_heartbeats(self, handle: WorkflowHandle[Any, Any]) -> None:
        """Temporal takes the activity's worker for dead now, as it would when the heartbeats had been missed."""
        [pending] = (await handle.describe()).raw_description.pending_activities
        where = {"workflow_id": handle.id, "run_id": None, "activity_id": pending.activity_id}
        await self.workspace.client.get_async_activity_handle(**where).fail(ApplicationError("heartbeats missed"))

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Worker]:
        """A worker process as long as the block runs, unless it is killed before."""
        with self.log.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "starter.cli", "worker", stdout=log, stderr=log, env=self.environment
            )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                await process.wait()


@pytest.fixture
def launch(
    environment: WorkflowEnvironment, sqlite_database: Database, sqlite_url: str, tmp_path: Path, httpserver: HTTPServer
) -> LaunchByProcess:
    workspace = LaunchWorkspace(sqlite_database, environment)
    told = {
        "TEMPORAL_ADDRESS": environment.client.service_client.config.target_host,
        "CONNECTOR_DATABASE_URL": sqlite_url,
        "CONNECTOR_WORKSPACE": workspace.name,
        "CONNECTOR_DATA": str(tmp_path),
        "CONNECTOR_SWEEP_INTERVAL": "PT0.1S",
        "CONNECTOR_CHANNEL_CONCURRENCY": str(CONCURRENT_SENDS),
        "CONNECTOR_WEBHOOK_ALLOW_PRIVATE": "true",
    }
    return LaunchByProcess(workspace, httpserver, {**os.environ, **told}, tmp_path / "worker.log")


@pytest.mark.timeout(120)
async def test_worker_killed_in_the_middle_of_a_launch(launch: LaunchByProcess) -> None:
    """Guarantee 4: everybody got it once; those whose send was in flight got it at most once, and are unknown."""
    workspace = launch.workspace
    everybody = await workspace.crowd(USERS)
    async with launch.worker() as first:
        handle = await launch.start()
        await until(lambda: launch.arrived.total() >= USERS // 4)
        first.kill()
        await first.wait()
    left, in_flight = await workspace.users("o", "waiting"), await workspace.users("o", "sending")
    assert left
    await launch.miss_heartbeats(handle)
    async with launch.worker():
        counts = await handle.result()
    sent, unknown = await workspace.users("o", "sent"), await workspace.users("o", "failed")
    assert (sent | unknown, sent & unknown) == (everybody, set())
    assert counts == {state: len(found) for state, found in (("sent", sent), ("failed", unknown)) if found}
    assert unknown == in_flight
    assert len(unknown) <= CONCURRENT_SENDS
    assert max(launch.arrived.values()) == 1
    assert left <= sent <= set(launch.arrived)


@pytest.mark.timeout(120)
async def test_launch_stopped_and_resumed_in_the_middle(launch: LaunchByProcess) -> None:
    """P9: what is in flight goes out, nothing more is begun, and after the resume everybody has got it once."""
    workspace = launch.workspace
    everybody = await workspace.crowd(USERS)
    async with launch.worker():
        handle = await launch.start()
        await until(lambda: launch.arrived.total() >= USERS // 4)
        await workspace.order("stop", "o")
        while await workspace.users("o", "sending"):
            await asyncio.sleep(0.05)
        before = launch.arrived.total()
        assert before < USERS
        assert (len(await workspace.users("o", "sent")), launch.arrived.total()) == (before, before)
        await workspace.order("resume", "o")
        assert await handle.result() == {"sent": USERS}
    assert launch.arrived == Counter(everybody)
