"""A real `connector api` in its own process."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import httpx
from sqlalchemy import select

from connector.app.preflight import find_free_port
from connector.store.engine.database import Database
from connector.store.tables import interactions
from tests.support.api import KEY, KEY_VARIABLE, NOWHERE
from tests.support.repository import ROOT

READY_WITHIN = 60


@dataclass
class ApiProcess:
    """The server and a client of it."""

    process: asyncio.subprocess.Process
    client: httpx.AsyncClient
    port: int

    def resident_mebibytes(self) -> float:
        """Return the resident memory of the process."""
        listed = subprocess.run(["ps", "-o", "rss=", "-p", str(self.process.pid)], capture_output=True, text=True)
        return int(listed.stdout) / 1024

    async def metric(self, name: str, labels: str = "") -> float:
        """Return the sum of a metric over its labels, or of those that have these: `pool="keyed"`."""
        text = (await self.client.get("/metrics")).text
        values = re.findall(rf"^{name}({{.*}})? (\S+)$", text, re.MULTILINE)
        return sum(float(value) for its_labels, value in values if labels in its_labels)


@asynccontextmanager
async def api_process(
    url: str, log: Path, *, other: Mapping[str, str] = MappingProxyType({}), **settings: str
) -> AsyncIterator[ApiProcess]:
    """Serve the API on this database until the block ends.

    Args:
        other: environment variables by their full name.
        settings: `CONNECTOR_API_*` without that prefix.
    """
    port = find_free_port(0, option="")
    environment = {
        "CONNECTOR_DATABASE_URL": url,
        "CONNECTOR_API_KEYS": KEY_VARIABLE,
        "TEMPORAL_ADDRESS": NOWHERE,
        **other,
        **{f"CONNECTOR_API_{name.upper()}": value for name, value in settings.items()},
    }
    words = (sys.executable, "-m", "starter.cli", "api", "--port", str(port))
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *words, cwd=ROOT, env=os.environ | environment, stdout=output, stderr=output
        )
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {KEY}"}
    base = f"http://127.0.0.1:{port}"
    try:
        async with httpx.AsyncClient(base_url=base, headers=headers, limits=limits, timeout=60) as client:
            await _alive(client, process, log)
            yield ApiProcess(process, client, port)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _alive(client: httpx.AsyncClient, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while True:
            assert process.returncode is None, f"see {log}"
            try:
                await client.get("/healthz")
                return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


async def logged_ids(url: str) -> Counter[str]:
    """Return how often each id is in the log."""
    database = Database.open(url)
    try:
        async with database.read("default") as tx:
            return Counter((await tx.execute(select(interactions.c.id))).scalars())
    finally:
        await database.close()
