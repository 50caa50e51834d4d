"""What the figures were measured on, in one line."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from time import perf_counter

_SYNCS = 50


def describe(folder: Path, database: str) -> str:
    """Return processors, memory, how fast the folder's disk syncs, and versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    python = f"Python {platform.python_version()}"
    sync = f"a sync of the disk takes {_sync_milliseconds(folder):.2f} ms"
    return f"{cores} cores ({_processor()}), {memory:.0f} GiB, {sync}, {python}, {database}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def _sync_milliseconds(folder: Path) -> float:
    """Return the time of one small write that is synced."""
    with (folder / "sync").open("wb") as file:
        started_at = perf_counter()
        for _ in range(_SYNCS):
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        return (perf_counter() - started_at) * 1000 / _SYNCS
