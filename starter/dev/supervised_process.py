"""A process that is restarted whenever it ends, and that does not outlive its supervisor."""

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

_MIN_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.5, 10.0
_HEALTHY_AFTER_SECONDS = 30.0
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None  # loaded now: after a fork it is too late
_PR_SET_PDEATHSIG = 1
_MAX_LINE_BYTES = 1024 * 1024
_LAST_LINES_SECONDS = 2.0


class SupervisedProcess:
    """One process, restarted whenever it ends.

    Args:
        log: the file for its output; None: standard error.
        take_line: gets each line of its output, instead of standard error.
        on_start: called after every start.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        *,
        log: Path | None = None,
        take_line: Callable[[str], None] | None = None,
        on_start: Callable[[], None],
    ) -> None:
        self.name = name
        self.failed = asyncio.Event()
        """Set when the process ends by itself for the first time."""
        self._command, self._environment, self._log, self._on_start = command, environment, log, on_start
        self._take_line = take_line
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._stopping = False

    @property
    def pid(self) -> int | None:
        """The process id; None while the process does not run."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def keep_running(self) -> None:
        """Start the process, and restart it with growing pauses, until `stop` is called."""
        pause_seconds = _MIN_PAUSE_SECONDS
        while not self._stopping:
            started_at = time.monotonic()
            self._process = await self._start()
            self._on_start()
            self._reading = asyncio.create_task(self._read_lines(self._process))
            code = await self._process.wait()
            await self._finish_reading()
            if self._stopping:
                return
            if time.monotonic() - started_at > _HEALTHY_AFTER_SECONDS:
                pause_seconds = _MIN_PAUSE_SECONDS
            _log.warning("process_ended", process=self.name, exit_code=code, restart_in_seconds=pause_seconds)
            self.failed.set()
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _MAX_PAUSE_SECONDS)

    async def stop(self, timeout_seconds: float) -> None:
        """Terminate the process, and kill it after `timeout_seconds`."""
        self._stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), timeout_seconds)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
        await self._finish_reading()

    async def _finish_reading(self) -> None:
        """Wait for the last lines of a process that has ended, unless another one holds its output open."""
        if self._reading is not None:
            await asyncio.wait({self._reading}, timeout=_LAST_LINES_SECONDS)

    async def _read_lines(self, process: asyncio.subprocess.Process) -> None:
        """Pass on what the process writes, line by line, until it has ended."""
        if self._take_line is None or process.stdout is None:
            return
        while line := await _read_line(process.stdout):
            with suppress(OSError):  # our own output may be closed; a pipe that is not read would block the process
                self._take_line(line.decode(errors="replace").rstrip("\r\n"))

    async def _start(self) -> asyncio.subprocess.Process:
        log = None if self._log is None else self._log.open("ab")
        output = sys.stderr if log is None else log
        pipe = asyncio.subprocess.PIPE if self._take_line is not None else output
        try:
            return await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=pipe,
                stderr=output if self._take_line is None else asyncio.subprocess.STDOUT,
                env=self._environment,
                limit=_MAX_LINE_BYTES,
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which stops the processes in order
                preexec_fn=_bind_to_parent(os.getpid()),
            )
        finally:
            if log is not None:
                log.close()


async def _read_line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line, without the rest of one that is too long; nothing at the end."""
    try:
        return await stream.readline()
    except ValueError:  # the stream has dropped what it had of a line beyond the limit
        return b"\n"


def _bind_to_parent(parent: int) -> Callable[[], None] | None:
    """On Linux the kernel ends the process if its parent is killed; elsewhere the next start does, as a stale one."""
    if _LIBC is None:
        return None

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return prepare
