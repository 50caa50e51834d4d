"""The worker of the bare workflows, in a process of its own.

Run as `python -m bench.bare_worker ADDRESS TASK_QUEUE`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

from temporalio.client import Client
from temporalio.worker import Worker

from bench.bare import BareWorkflow, nothing
from bench.processes import run_python
from connector.app.event_loop import run_service
from connector.app.shutdown import stop_on_signals
from connector.temporal.client import connector_plugin
from connector.temporal.runtime import process_runtime

_READY = "the bare worker runs"


@asynccontextmanager
async def run_bare_worker(client: Client, folder: Path) -> AsyncIterator[str]:
    """Run the worker until the block ends, and yield its task queue."""
    queue = f"bench-bare-{uuid4().hex}"
    arguments = ["-m", "bench.bare_worker", client.service_client.config.target_host, queue]
    async with run_python(arguments, {}, folder / f"{queue}.log", ready_line=_READY):
        yield queue


async def _work(address: str, task_queue: str) -> None:
    plugin = connector_plugin(sandboxed=False)  # as `connector worker` has it
    client, stopped = await Client.connect(address, runtime=process_runtime(), plugins=[plugin]), stop_on_signals()
    async with Worker(client, task_queue=task_queue, workflows=[BareWorkflow], activities=[nothing]):
        print(_READY, flush=True)
        await stopped.wait()


if __name__ == "__main__":
    run_service(_work(*sys.argv[1:]))
    os._exit(0)  # the SDK sometimes aborts at interpreter exit
