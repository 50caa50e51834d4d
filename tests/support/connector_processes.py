"""`connector api` and `connector worker` as processes on one workspace, database and Temporal server."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from connector.app.preflight import find_free_port
from tests.support.api import KEY
from tests.support.polling import until
from tests.support.repository import ROOT

_KEYS = json.dumps([{"name": "tests", "key": KEY, "scopes": ["ingest", "read", "manage"]}])
"""With the scopes that the previous release knows, too."""


class ConnectorProcesses:
    """The processes of one installation.

    Args:
        folder: for the data and the logs, one file for each kind of process.
        root: the checkout whose program runs.
        settings: settings beyond those below.
    """

    def __init__(
        self, workspace: str, url: str, temporal: str, folder: Path, *, root: Path = ROOT, **settings: str
    ) -> None:
        self.folder, self._root = folder, root
        self._environment = {
            **os.environ,
            "CONNECTOR_WORKSPACE": workspace,
            "CONNECTOR_DATABASE_URL": url,
            "CONNECTOR_DATA": str(folder),
            "CONNECTOR_API_KEYS": _KEYS,
            "TEMPORAL_ADDRESS": temporal,
            **settings,
        }

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Process]:
        """Run a worker, with channels that print, until the block ends."""
        async with self._run("worker", CONNECTOR_DEV="true") as process:
            yield process

    @asynccontextmanager
    async def api(self) -> AsyncIterator[httpx.AsyncClient]:
        """Run the API until the block ends, and yield a client with a key, once it answers."""
        port = find_free_port(0, option="")
        headers, base = {"Authorization": f"Bearer {KEY}"}, f"http://127.0.0.1:{port}"
        client = httpx.AsyncClient(base_url=base, headers=headers, timeout=60)
        async with self._run("api", "--port", str(port)) as process, client:

            async def is_alive() -> bool:
                assert process.returncode is None, (self.folder / "api.log").read_text()
                try:
                    return (await client.get("/healthz")).is_success
                except httpx.TransportError:
                    return False

            await until(is_alive, "an API that answers", seconds=90)
            yield client

    async def setup(self) -> None:
        """Run `connector setup`, which must succeed."""
        async with self._run("setup") as process:
            assert await process.wait() == 0, (self.folder / "setup.log").read_text()

    @asynccontextmanager
    async def _run(self, *words: str, **settings: str) -> AsyncIterator[Process]:
        with (self.folder / f"{words[0]}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "starter.cli", *words,
                cwd=self._root, env=self._environment | settings, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
