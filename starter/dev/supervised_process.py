"""Processes that are kept running, and that do not outlive the one that keeps them."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import structlog

_log = structlog.get_logger("dev")

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_HEALTHY_SECONDS = 30.0
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded here: after a fork it is too late
_PR_SET_PDEATHSIG = 1


class SupervisedProcess:
    """One process, started again whenever it ends.

    Args:
        log: the file that takes what it prints; None: our own standard error.
        started: called with every new process.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        log: Path | None = None,
        started: Callable[[], None],
    ) -> None:
        self.name = name
        self.failed = asyncio.Event()
        """Set when it has ended by itself for the first time."""
        self._command, self._environment, self._log, self._started = command, environment, log, started
        self._process: asyncio.subprocess.Process | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """Its process id; None while it does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def keep_running(self) -> None:
        """Start it, and start it again with growing pauses, until `stop`."""
        pause = _SHORTEST_PAUSE
        while not self._stopping:
            began = time.monotonic()
            self._process = await self._start()
            self._started()
            code = await self._process.wait()
            if self._stopping:
                return
            if time.monotonic() - began > _HEALTHY_SECONDS:
                pause = _SHORTEST_PAUSE
            _log.warning("process_ended", process=self.name, code=code, again_in_seconds=pause)
            self.failed.set()
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def stop(self, patience: float) -> None:
        """Ask it to end, and end it after `patience` seconds."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), patience)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> asyncio.subprocess.Process:
        log = None if self._log is None else self._log.open("ab")
        output = sys.stderr if log is None else log
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is ours: we tell the children, in their order
                preexec_fn=_die_with(os.getpid()),
            )
        finally:
            if log is not None:
                log.close()


def _die_with(parent: int) -> Callable[[], None] | None:
    """On Linux the kernel ends a child whose parent was killed; elsewhere the next start does (`leftovers`)."""
    if _LIBC is None:
        return None

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
