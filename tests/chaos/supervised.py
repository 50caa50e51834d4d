"""A process that is started again whenever it ends, as systemd or Kubernetes does."""

from __future__ import annotations

import asyncio
import signal
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.support.databases import die_with_parent
from tests.support.repository import ROOT

_RESTART_SECONDS = 0.3
_STOP_SECONDS = 60


class Supervised:
    """One program under supervision."""

    def __init__(self, name: str, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.name, self.log = name, log
        self.began_at, self.starts = 0.0, 0
        self._command, self._environment = command, environment
        self._process: Process | None = None
        self._is_stopping = False
        self._may_start = asyncio.Event()
        self._may_start.set()
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        """The process's id; None between two processes."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    @property
    def age_seconds(self) -> float:
        """How long the process has been running; 0 between two processes."""
        return time.monotonic() - self.began_at if self.pid else 0.0

    def begin(self) -> None:
        """Start the program, and again whenever it ends."""
        self._watching = asyncio.create_task(self._watch())

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if the process runs."""
        if self.pid:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def hold_back(self, held: bool) -> None:
        """Do not start it again for now, or do."""
        (self._may_start.clear if held else self._may_start.set)()

    async def end(self) -> None:
        """End it for good: ask, and kill it if it does not."""
        self._is_stopping = True
        self.hold_back(False)
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._watching
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self._watching

    async def _watch(self) -> None:
        with self.log.open("ab") as log:
            while not self._is_stopping:
                self._process = await asyncio.create_subprocess_exec(
                    *self._command,
                    cwd=ROOT, env=self._environment, stdout=log, stderr=log, preexec_fn=die_with_parent,
                )  # fmt: skip
                self.began_at = time.monotonic()
                self.starts += 1
                await self._process.wait()
                await self._may_start.wait()
                await asyncio.sleep(_RESTART_SECONDS)
