"""The supervisor of `connector dev`: Temporal, a worker, the API and the console as processes on one data folder."""

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

from connector.app.context import open_context
from connector.app.preflight import find_free_port
from connector.rules.model.errors import ConnectorError
from connector.settings.application import Settings
from connector.store.engine.migrate import migrate
from starter.dev.instance import (
    DevInstance,
    end_stale_processes,
    environment_with_temporal,
    remove_instance,
    write_instance,
)
from starter.dev.output import DevOutput, TakeLog
from starter.dev.story import follow_story
from starter.dev.supervised_process import SupervisedProcess
from starter.dev.temporal_server import server_command, server_environment, wait_for_server

_START_TIMEOUT_SECONDS = 90.0
_STOP_TIMEOUT_SECONDS = 10.0
_LOG_TAIL_CHARACTERS = 2000


class DevFailed(ConnectorError):
    """`connector dev` could not be started; everything that it had started has been stopped."""

    has_lines = True


@dataclass(frozen=True)
class DevPorts:
    """The ports to listen on, always on loopback; 0 means any free port, None for the UI or the console means none."""

    api: int = 8080
    temporal: int = 7233
    ui: int | None = 8233
    console: int | None = 8090

    def choose(self) -> DevPorts:
        """Return free ports, the given ones if they are not 0. Raises PortTaken."""
        ui = None if self.ui is None else find_free_port(self.ui, option="--ui-port")
        api = find_free_port(self.api, option="--api-port")
        temporal = find_free_port(self.temporal, option="--temporal-port")
        console = None if self.console is None else find_free_port(self.console, option="--console-port")
        return DevPorts(api, temporal, ui, console)


async def run_dev(
    settings: Settings,
    ports: DevPorts,
    stopped: asyncio.Event,
    *,
    on_ready: Callable[[DevInstance], None],
    output: DevOutput | None = None,
) -> None:
    """Run everything until `stopped`; restart each process that ends.

    Args:
        on_ready: called once, when the API accepts interactions, Temporal answers and a worker polls.
        output: prints what happens, and gets the logs of the processes; None: they go to standard error.

    Raises:
        DevFailed: it already runs on this folder, or did not become ready. PortTaken. TemporalMissing.
    """
    data = settings.data.resolve()
    with _lock(data):
        end_stale_processes(data)
        ports = ports.choose()
        async with open_context(settings) as context:
            await migrate(context.database)
            supervisor = _Supervisor(data, ports, None if output is None else output.take_log)
            following = None if output is None else asyncio.create_task(follow_story(context, stopped, output.show))
            try:
                await supervisor.run(stopped, on_ready)
            finally:
                if following is not None:
                    following.cancel()
                await supervisor.stop()
                remove_instance(data)


class _Supervisor:
    """The processes, and the file that describes them."""

    def __init__(self, data: Path, ports: DevPorts, take_line: TakeLog | None) -> None:
        self._data, self._ports, self._take_line = data, ports, take_line
        self._log = data / "temporal.log"
        self._log.write_bytes(b"")
        self._temporal_address = f"127.0.0.1:{ports.temporal}"
        self._environment = {
            **environment_with_temporal(self._temporal_address, os.environ),
            "CONNECTOR_DATA": str(data),
            "CONNECTOR_DEV": "1",
            **({} if take_line is None else {"CONNECTOR_LOG_FORMAT": "json"}),
        }
        self._environment.setdefault("CONNECTOR_KEEP_MESSAGES", "30 days")
        if ports.ui is not None:
            self._environment.setdefault("CONNECTOR_TEMPORAL_UI_URL", _loopback_url(ports.ui))
        self._temporal = SupervisedProcess(
            "temporal",
            server_command(data, ports.temporal, ports.ui),
            server_environment(os.environ),
            log=self._log,
            on_start=self._write_instance,
        )
        api_options = ("--host", "127.0.0.1", "--port", str(ports.api))
        self._api = self._process("api", _connector_command("api", data, *api_options))
        self._worker = self._process("worker", _connector_command("worker", data))
        self._consoles = [self._console(ports.console)] if ports.console is not None else []
        self._processes = (self._temporal, self._api, self._worker, *self._consoles)
        self._tasks: list[asyncio.Task[None]] = []

    def _process(self, name: str, command: list[str]) -> SupervisedProcess:
        return SupervisedProcess(
            name, command, self._environment, take_line=self._take_line, on_start=self._write_instance
        )

    def _console(self, port: int) -> SupervisedProcess:
        return self._process(
            "console", _connector_command("console", self._data, "--host", "127.0.0.1", "--port", str(port))
        )

    @property
    def _instance(self) -> DevInstance:
        pids = {process.name: process.pid for process in self._processes if process.pid is not None}
        return DevInstance(
            api_url=_loopback_url(self._ports.api),
            temporal_address=self._temporal_address,
            ui_url=None if self._ports.ui is None else _loopback_url(self._ports.ui),
            console_url=None if self._ports.console is None else _loopback_url(self._ports.console),
            pids={"supervisor": os.getpid(), **pids},
        )

    async def run(self, stopped: asyncio.Event, on_ready: Callable[[DevInstance], None]) -> None:
        start = asyncio.create_task(self._start())
        stop = asyncio.create_task(stopped.wait())
        failures = [asyncio.create_task(process.failed.wait()) for process in self._processes]
        try:
            await asyncio.wait((start, stop, *failures), return_when=asyncio.FIRST_COMPLETED)
            if stopped.is_set():
                return
            self._check_started(start)
            on_ready(self._instance)
            await stop
        finally:
            for task in (start, stop, *failures):
                task.cancel()

    async def stop(self) -> None:
        """Stop Temporal last: the others still need it to stop in order."""
        others = (self._api, self._worker, *self._consoles)
        await asyncio.gather(*(process.stop(_STOP_TIMEOUT_SECONDS) for process in others))
        await self._temporal.stop(_STOP_TIMEOUT_SECONDS)
        for task in self._tasks:
            task.cancel()

    async def _start(self) -> None:
        async with asyncio.timeout(_START_TIMEOUT_SECONDS):
            self._keep_running(self._temporal)
            self._keep_running(self._api)
            await wait_for_server(self._temporal_address)
            for process in (self._worker, *self._consoles):
                self._keep_running(process)
            await _wait_until_ready(self._instance.api_url)
            if self._instance.console_url is not None:
                await _wait_until_alive(self._instance.console_url)

    def _check_started(self, start: asyncio.Task[None]) -> None:
        failed = next((process for process in self._processes if process.failed.is_set()), None)
        if failed is self._temporal:
            log = self._log.read_text(errors="replace")[-_LOG_TAIL_CHARACTERS:]
            raise DevFailed(f"Temporal's server ended; its log:\n{log}")
        if failed is not None:
            raise DevFailed(f"the {failed.name} ended before everything was ready; its output is above")
        if isinstance(start.exception(), TimeoutError):
            raise DevFailed(f"not ready after {_START_TIMEOUT_SECONDS:.0f} seconds; Temporal's log is {self._log}")
        start.result()

    def _keep_running(self, process: SupervisedProcess) -> None:
        self._tasks.append(asyncio.create_task(process.keep_running()))

    def _write_instance(self) -> None:
        write_instance(self._data, self._instance)


async def _wait_until_ready(api_url: str) -> None:
    """Return as soon as the API reports that all parts answer. Waits without a limit.

    A follow-up of an earlier day whose tasks fail makes the installation degraded, but does not keep it from starting.
    """
    async with httpx.AsyncClient(base_url=api_url, trust_env=False, timeout=10) as client:
        while True:
            try:
                found = (await client.get("/readyz")).json()
                if [found[part] for part in ("database", "temporal", "worker")] == ["ok", "ok", "polling"]:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def _wait_until_alive(url: str) -> None:
    """Return as soon as a process answers. Waits without a limit."""
    async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=10) as client:
        while True:
            try:
                if (await client.get("/healthz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


def _loopback_url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def _connector_command(command: str, data: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "starter.cli", command, "--data", str(data), *options]


@contextmanager
def _lock(data: Path) -> Iterator[None]:
    """Hold the folder's lock, which allows one supervisor; the system releases it whenever the process ends."""
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (data / "dev.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DevFailed(f"`connector dev` already runs on {data}; stop it, or name another folder") from None
        yield
