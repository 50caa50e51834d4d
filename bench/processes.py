"""Processes of the measurements: started as in production, with an environment of their own, and always ended."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent
_START_SECONDS, _STOP_SECONDS = 60, 40
_POLL_SECONDS = 0.02
_NOT_PASSED_ON = ("CONNECTOR_", "TEMPORAL_", "PYTHONDONTWRITEBYTECODE")
"""The bench does not pass on these settings of its user. Without cached bytecode, workers would compile all modules."""


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a process with these settings."""
    passed_on = {name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)}
    return passed_on | dict(settings or {})


@asynccontextmanager
async def run_python(
    arguments: Sequence[str],
    settings: Mapping[str, str],
    log: Path,
    *,
    is_ready: Callable[[], Awaitable[bool]] | None = None,
    ready_line: str = "",
) -> AsyncIterator[Process]:
    """Run Python in a process of its own until the block ends.

    Args:
        log: where its output goes.
        is_ready: returns whether the process does its work; None: as soon as its output has the `ready_line`.

    Raises:
        RuntimeError: it ended by itself; the message has the end of its output. TimeoutError: it was never ready.
    """

    async def has_line() -> bool:
        return ready_line in log.read_text()  # noqa: ASYNC240 - a short file

    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, env=environment(settings), stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await (is_ready or has_line)():
                _check_runs(process, log)
                await asyncio.sleep(_POLL_SECONDS)
        yield process
        _check_runs(process, log)
    finally:
        await stop(process)


async def stop(process: Process) -> None:
    """End a process: ask, and kill it if it does not."""
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def resident_mebibytes(pid: int) -> float:
    """Return the resident memory of a process; `ps` reports KiB on Linux and macOS."""
    output = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], check=True, capture_output=True, text=True)
    return int(output.stdout) / 1024


def _check_runs(process: Process, log: Path) -> None:
    if process.returncode is not None:
        raise RuntimeError(f"a process of the bench ended by itself:\n{log.read_text()[-2000:]}")
