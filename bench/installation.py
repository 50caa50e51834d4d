"""An installation as in production: a workspace, a Temporal server that nothing else uses, and the real processes."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
from temporalio.client import Client

from bench.processes import environment, run_python, stop
from bench.rounds import Bench
from bench.workspace import BenchWorkspace, open_workspace
from connector.app.preflight import find_free_port
from connector.temporal.client import connector_plugin
from connector.temporal.runtime import process_runtime
from starter.dev.temporal_server import server_command, wait_for_server

API_KEY = "the-key-of-the-bench-and-of-no-one-else"
_START_SECONDS, _START_ATTEMPTS = 60, 5
CONNECTOR, _QUIET_WORKER = ("-m", "starter.cli"), ("-m", "bench.quiet_worker")


@dataclass(frozen=True)
class Installation:
    """A workspace with its Temporal server, and the processes that run on both."""

    workspace: BenchWorkspace
    temporal: Client
    folder: Path

    @asynccontextmanager
    async def run_api(self) -> AsyncIterator[httpx.AsyncClient]:
        """Run `connector api` until the block ends, and yield a client of it."""
        async with self.run_api_process() as (client, _):
            yield client

    @asynccontextmanager
    async def run_api_process(self) -> AsyncIterator[tuple[httpx.AsyncClient, Process]]:
        """Run `connector api` until the block ends, and yield a client of it and the process."""
        keys = json.dumps([{"name": "bench", "key": API_KEY, "scopes": ["ingest", "manage"]}])
        settings = self.settings | {"CONNECTOR_API_KEYS": keys, "CONNECTOR_KEY_RATE": "1000000"}
        async with run_server_process([*CONNECTOR, "api", "--port", "PORT"], settings, self.folder) as both:
            yield both

    @asynccontextmanager
    async def run_worker(self, *, quiet: bool = True, **settings: str) -> AsyncIterator[Process]:
        """Run `connector worker` until the block ends.

        Args:
            quiet: its channels do nothing.
            settings: settings beyond those of the installation.
        """
        arguments = [*_QUIET_WORKER] if quiet else [*CONNECTOR, "worker"]
        log = self.folder / f"worker-{uuid4().hex}.log"
        async with run_python(arguments, self.settings | settings, log, ready_line="worker_started") as process:
            yield process

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the processes."""
        return {
            "CONNECTOR_WORKSPACE": self.workspace.id,
            "CONNECTOR_DATABASE_URL": self.workspace.url,
            "TEMPORAL_ADDRESS": self.temporal.service_client.config.target_host,
            "TEMPORAL_NAMESPACE": self.temporal.namespace,
        }


@asynccontextmanager
async def open_installation(bench: Bench) -> AsyncIterator[Installation]:
    """Create an empty workspace and start a Temporal server."""
    async with open_workspace(bench) as workspace, start_temporal(bench.folder) as client:
        yield Installation(workspace, client, bench.folder)


@asynccontextmanager
async def start_temporal(folder: Path) -> AsyncIterator[Client]:
    """Start the server of `connector dev`, but in memory, and connect to it.

    With a file the server waits for the disk most of the time, which would hide what the connector adds.
    """
    process, address = await _start_server(folder)
    try:
        async with asyncio.timeout(_START_SECONDS):
            await wait_for_server(address)
        yield await Client.connect(address, runtime=process_runtime(), plugins=[connector_plugin()])
    finally:
        await stop(process)


async def _start_server(folder: Path) -> tuple[asyncio.subprocess.Process, str]:
    """Return the server and its address once it listens. Another program may take its port first: then it gets another.

    Raises:
        RuntimeError: it ended at each of several ports.
    """
    for _ in range(_START_ATTEMPTS):
        port = find_free_port(0, option="")
        command = server_command(folder, port, None)
        file_option = command.index("--db-filename")
        del command[file_option : file_option + 2]
        nowhere = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(*command, env=environment(), stdout=nowhere, stderr=nowhere)
        while process.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return process, f"127.0.0.1:{port}"
    raise RuntimeError("Temporal's server does not start")


@asynccontextmanager
async def run_server(
    arguments: Sequence[str], settings: dict[str, str], folder: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """Run an HTTP server in a process of its own, and yield a client of it; see `run_server_process`."""
    async with run_server_process(arguments, settings, folder) as (client, _):
        yield client


@asynccontextmanager
async def run_server_process(
    arguments: Sequence[str], settings: dict[str, str], folder: Path
) -> AsyncIterator[tuple[httpx.AsyncClient, Process]]:
    """Run an HTTP server in a process of its own, and yield a client of it and the process.

    Args:
        arguments: the arguments of Python; `PORT` is replaced by the port.
    """
    port = find_free_port(0, option="")
    arguments = [argument.replace("PORT", str(port)) for argument in arguments]
    headers = {"Authorization": f"Bearer {API_KEY}", "Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=120) as client:

        async def is_alive() -> bool:
            try:
                return (await client.get("/healthz")).status_code == 200
            except httpx.TransportError:
                return False

        log = folder / f"server-{uuid4().hex}.log"
        async with run_python(arguments, settings, log, is_ready=is_alive) as process:
            yield client, process
