"""The system under attack: PostgreSQL, Temporal, two APIs and two workers, each behind what can fail."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
from temporalio.client import Client

from bench.databases import find_binaries
from bench.processes import environment
from connector.app.preflight import find_free_port
from connector.store.engine.database import Database
from connector.temporal.client import connector_plugin, register_search_attributes
from tests.chaos.receiver import Receiver, run_receiver
from tests.chaos.supervised import Supervised
from tests.support.api import KEY, KEY_VARIABLE
from tests.support.databases import PostgreSQL, migrate_database
from tests.support.faulty_proxy import FaultyProxy, run_proxy
from tests.support.polling import until

WORKSPACE = "default"
_PATIENCE_SECONDS = 300
_TEMPORAL_FILE = "temporal.db"
_SETTINGS = {
    "CONNECTOR_API_KEYS": KEY_VARIABLE,
    "CONNECTOR_KEY_RATE": "1000",
    "CONNECTOR_DATABASE_TIMEOUT": "6 seconds",
    "CONNECTOR_SWEEP_INTERVAL": "1 second",
    "CONNECTOR_RECONCILE_INTERVAL": "2 seconds",
    "CONNECTOR_LOG_FORMAT": "json",
    "CONNECTOR_WEBHOOK_ALLOW_PRIVATE": "true",
}
"""Everything that is repeated is repeated soon, so that a minute is enough."""


@dataclass
class System:
    """The parts, and ways around the proxies to look at them."""

    server: PostgreSQL
    database: Database
    temporal: Supervised
    temporal_address: str
    temporal_file: Path
    receiver: Receiver
    proxies: dict[str, FaultyProxy]
    apis: list[Supervised]
    workers: list[Supervised]
    clients: list[httpx.AsyncClient]

    @property
    def hook(self) -> str:
        """The URL to which campaigns send."""
        return f"http://127.0.0.1:{self.proxies['provider'].port}/hook"

    async def connect(self) -> Client:
        """Return a client of Temporal that goes around the proxy."""
        return await Client.connect(self.temporal_address, plugins=[connector_plugin()])

    async def is_serving(self) -> bool:
        """Return whether both APIs are ready, which includes that a worker polls."""
        try:
            return all([(await client.get("/readyz")).is_success for client in self.clients])
        except httpx.TransportError:
            return False

    async def serve(self) -> None:
        """Return when both APIs are ready."""
        await until(self.is_serving, "APIs that are ready", seconds=_PATIENCE_SECONDS)


@asynccontextmanager
async def run_system(folder: Path, seed: int) -> AsyncIterator[System]:
    """Start every part on loopback, and end all of them with the block.

    Args:
        folder: for Temporal's file and the logs.

    Raises:
        RuntimeError: PostgreSQL is not installed.
    """
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("PostgreSQL was not found: `initdb` and `postgres` must be installed")
    async with AsyncExitStack() as stack:
        server = await asyncio.to_thread(PostgreSQL, binaries)
        stack.callback(server.stop)
        stack.callback(server.resume)
        url = server.url(server.create("connector"))
        await asyncio.to_thread(migrate_database, url)
        database = Database.open(url)
        stack.push_async_callback(database.close)
        receiver = await stack.enter_async_context(run_receiver(seed))
        address = f"127.0.0.1:{find_free_port(0, option='')}"
        temporal = _supervise(stack, "temporal", _temporal_command(address, folder), {}, folder)
        targets: dict[str, Path | tuple[str, int]] = {
            "database": server.socket,
            "temporal": ("127.0.0.1", int(address.rpartition(":")[2])),
            "provider": ("127.0.0.1", receiver.port),
        }
        proxies = {name: await stack.enter_async_context(run_proxy(target)) for name, target in targets.items()}
        await _prepare_temporal(address)
        settings = _SETTINGS | {
            "CONNECTOR_DATABASE_URL": f"postgresql://connector@127.0.0.1:{proxies['database'].port}/connector",
            "CONNECTOR_DATA": str(folder),
            "TEMPORAL_ADDRESS": f"127.0.0.1:{proxies['temporal'].port}",
        }
        ports = [find_free_port(0, option="") for _ in range(2)]
        apis = [_connector(stack, f"api-{port}", ["api", "--port", str(port)], settings, folder) for port in ports]
        workers = [_connector(stack, f"worker-{number}", ["worker"], settings, folder) for number in (1, 2)]
        headers = {"Authorization": f"Bearer {KEY}"}
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20)
            )
            for port in ports
        ]
        yield System(
            server, database, temporal, address, folder / _TEMPORAL_FILE, receiver, proxies, apis, workers, clients
        )


def _connector(
    stack: AsyncExitStack, name: str, words: list[str], settings: dict[str, str], folder: Path
) -> Supervised:
    return _supervise(stack, name, [sys.executable, "-m", "starter.cli", *words], settings, folder)


def _supervise(
    stack: AsyncExitStack, name: str, command: list[str], settings: dict[str, str], folder: Path
) -> Supervised:
    supervised = Supervised(name, command, environment(settings), folder / f"{name}.log")
    supervised.begin()
    stack.push_async_callback(supervised.end)
    return supervised


def _temporal_command(address: str, folder: Path) -> list[str]:
    """Return the command of a development server that keeps everything in a file."""
    program = shutil.which("temporal") or str(Path(sys.executable).with_name("temporal"))
    host, _, port = address.rpartition(":")
    command = [program, "server", "start-dev", "--ip", host, "--port", port, "--headless", "--log-level", "error"]
    settings = ["--dynamic-config-value", "system.forceSearchAttributesCacheRefreshOnRead=true"]
    return [*command, *settings, "--db-filename", str(folder / _TEMPORAL_FILE)]


async def _prepare_temporal(address: str) -> None:
    """Wait for Temporal, and register the search attributes, as `connector setup` does."""

    async def is_prepared() -> bool:
        with suppress(RuntimeError):
            await register_search_attributes(await Client.connect(address, plugins=[connector_plugin()]))
            return True
        return False

    await until(is_prepared, "Temporal's start", seconds=_PATIENCE_SECONDS)
