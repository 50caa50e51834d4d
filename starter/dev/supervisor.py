"""`connector dev`: a supervisor of three processes on one data folder: Temporal, a worker, the API."""

from __future__ import annotations

import asyncio
import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from connector.app.configuration import open_database
from connector.rules.model.errors import ConnectorError
from connector.settings.application import Settings
from connector.store.engine.migrate import migrate
from starter.dev.dev_file import Running, pointed_at, remove_running, write_running
from starter.dev.ports import free_port
from starter.dev.stale_processes import end_stale_processes
from starter.dev.supervised_process import SupervisedProcess
from starter.dev.temporal_server import server_command, wait_for_server

_READY_SECONDS = 90.0
_STOP_SECONDS = 10.0
_LOG_TAIL = 2000


class DevFailed(ConnectorError):
    """It could not be started; everything of it has been stopped again."""


@dataclass(frozen=True)
class DevPorts:
    """Where to listen, always on loopback; 0 is any free port, None for the UI is none."""

    api: int = 8080
    temporal: int = 7233
    ui: int | None = 8233

    def chosen(self) -> DevPorts:
        """Real free ports. Raises PortTaken."""
        ui = None if self.ui is None else free_port(self.ui, option="--ui-port")
        return DevPorts(
            free_port(self.api, option="--api-port"), free_port(self.temporal, option="--temporal-port"), ui
        )


async def run_dev(
    settings: Settings, ports: DevPorts, stopped: asyncio.Event, *, ready: Callable[[Running], None]
) -> None:
    """Run everything until `stopped`; what dies meanwhile is started again.

    Args:
        ready: called once, when interactions are accepted, Temporal answers and a worker polls.

    Raises:
        DevFailed: it runs on this folder already, or did not become ready. PortTaken. TemporalMissing.
    """
    data = settings.data.resolve()
    with _locked(data):
        end_stale_processes(data)
        ports = ports.chosen()
        await _migrate(settings)
        supervisor = _Supervisor(data, ports)
        try:
            await supervisor.run(stopped, ready)
        finally:
            await supervisor.stop()
            remove_running(data)


class _Supervisor:
    """The three children, and the file that tells of them."""

    def __init__(self, data: Path, ports: DevPorts) -> None:
        self._data, self._ports = data, ports
        self._log = data / "temporal.log"
        self._log.write_bytes(b"")
        found = pointed_at(self._temporal_address, os.environ)
        environment = {**found, "CONNECTOR_DATA": str(data), "CONNECTOR_DEV": "1"}
        server = server_command(data, ports.temporal, ports.ui)
        self._temporal = SupervisedProcess("temporal", server, environment, log=self._log, started=self._tell)
        listen = ("--host", "127.0.0.1", "--port", str(ports.api))
        self._api = SupervisedProcess("api", _connector("api", data, *listen), environment, started=self._tell)
        self._worker = SupervisedProcess("worker", _connector("worker", data), environment, started=self._tell)
        self._children = (self._temporal, self._api, self._worker)
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def _temporal_address(self) -> str:
        return f"127.0.0.1:{self._ports.temporal}"

    @property
    def _running(self) -> Running:
        pids = {child.name: child.pid for child in self._children if child.pid is not None}
        ui = None if self._ports.ui is None else f"http://127.0.0.1:{self._ports.ui}"
        return Running(
            api_url=f"http://127.0.0.1:{self._ports.api}",
            temporal_address=self._temporal_address,
            ui_url=ui,
            pids={"supervisor": os.getpid(), **pids},
        )

    async def run(self, stopped: asyncio.Event, ready: Callable[[Running], None]) -> None:
        begin = asyncio.create_task(self._begin())
        stop = asyncio.create_task(stopped.wait())
        failures = [asyncio.create_task(child.failed.wait()) for child in self._children]
        try:
            await asyncio.wait((begin, stop, *failures), return_when=asyncio.FIRST_COMPLETED)
            if stopped.is_set():
                return
            self._check_begun(begin)
            ready(self._running)
            await stop
        finally:
            for task in (begin, stop, *failures):
                task.cancel()

    async def stop(self) -> None:
        """The API and the worker first: they still need Temporal to end well."""
        await asyncio.gather(*(child.stop(_STOP_SECONDS) for child in (self._api, self._worker)))
        await self._temporal.stop(_STOP_SECONDS)
        for task in self._tasks:
            task.cancel()

    async def _begin(self) -> None:
        async with asyncio.timeout(_READY_SECONDS):
            self._keep(self._temporal)
            self._keep(self._api)
            await wait_for_server(self._temporal_address)
            self._keep(self._worker)
            await _wait_for_api(self._running.api_url)

    def _check_begun(self, begin: asyncio.Task[None]) -> None:
        failed = next((child for child in self._children if child.failed.is_set()), None)
        if failed is self._temporal:
            raise DevFailed(f"Temporal's server ended; it said:\n{self._log.read_text(errors='replace')[-_LOG_TAIL:]}")
        if failed is not None:
            raise DevFailed(f"the {failed.name} ended before all was ready; its own words are above")
        if isinstance(begin.exception(), TimeoutError):
            raise DevFailed(f"not ready after {_READY_SECONDS:.0f} seconds; {self._log} has what Temporal said")
        begin.result()

    def _keep(self, child: SupervisedProcess) -> None:
        self._tasks.append(asyncio.create_task(child.keep_running()))

    def _tell(self) -> None:
        write_running(self._data, self._running)


async def _wait_for_api(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        while True:
            try:
                if (await client.get("/readyz")).json()["status"] == "ready":
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def _migrate(settings: Settings) -> None:
    database = open_database(settings)
    try:
        await migrate(database)
    finally:
        await database.close()


def _connector(command: str, data: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "starter.cli", command, "--data", str(data), *words]


@contextmanager
def _locked(data: Path) -> Iterator[None]:
    """One supervisor a folder; the lock goes with its process, however that ends."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "dev.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevFailed(f"`connector dev` runs on {data} already; stop it, or name another folder") from None
        yield
