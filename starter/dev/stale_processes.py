"""Processes of a `connector dev` that was killed, found through its `dev.json` and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from starter.dev.dev_file import read_running, remove_running

_PATIENCE_SECONDS = 5.0


def end_stale_processes(data: Path) -> None:
    """End what is left of the last run. The caller holds the folder's lock, so no supervisor of it runs.

    A process counts only if its command line names the folder: its number may be somebody else's by now.
    """
    running = read_running(data)
    if running is None:
        return
    ours = [pid for name, pid in running.pids.items() if name != "supervisor" and str(data) in _command_line(pid)]
    for pid in ours:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while any(str(data) in _command_line(pid) for pid in ours) and time.monotonic() < deadline:
        time.sleep(0.05)
    remove_running(data)


def _command_line(pid: int) -> str:
    """The words that a process was started with; nothing where there is none of that number."""
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self").exists():
        try:
            return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    shown = subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False)  # noqa: S603, S607
    return shown.stdout
