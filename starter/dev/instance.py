"""The running `connector dev` of a data folder, as the file `dev.json` describes it, and the end of a stale one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

_FILE_NAME = "dev.json"
_KILL_TIMEOUT_SECONDS = 5.0


class DevInstance(BaseModel):
    """A `connector dev` while it runs. `pids` are by process: supervisor, temporal, worker, api, console."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    temporal_address: str
    ui_url: str | None
    console_url: str | None = None
    pids: dict[str, int]


def read_instance(data: Path) -> DevInstance | None:
    """Return the state of this folder's last `connector dev`; None if it stopped in order or never ran."""
    try:
        return DevInstance.model_validate_json((data / _FILE_NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def write_instance(data: Path, instance: DevInstance) -> None:
    """Write the file for the other commands, atomically."""
    draft = data / f"{_FILE_NAME}.new"
    draft.write_text(instance.model_dump_json(indent=2) + "\n")
    draft.replace(data / _FILE_NAME)


def remove_instance(data: Path) -> None:
    """Remove the file, because this `connector dev` has stopped."""
    (data / _FILE_NAME).unlink(missing_ok=True)


def use_dev_temporal(data: Path) -> None:
    """Point TEMPORAL_ADDRESS to this folder's `connector dev` if it runs and the environment names no Temporal."""
    instance = read_instance(data)
    named = {"TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"} & os.environ.keys()
    if instance is not None and not named:
        environment = environment_with_temporal(instance.temporal_address, os.environ)
        os.environ.clear()
        os.environ.update(environment)


def environment_with_temporal(temporal_address: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with this Temporal and without any other namespaces, keys and profiles."""
    kept = {name: value for name, value in environment.items() if not name.startswith("TEMPORAL_")}
    return {**kept, "TEMPORAL_ADDRESS": temporal_address, "TEMPORAL_CONFIG_FILE": os.devnull}


def end_stale_processes(data: Path) -> None:
    """End the processes of a `connector dev` that was killed. The caller holds the lock, so no supervisor runs.

    A process counts only if its command line names the folder: its id may belong to another program by now.
    """
    instance = read_instance(data)
    if instance is None:
        return
    stale = [pid for name, pid in instance.pids.items() if name != "supervisor" and str(data) in _command_line(pid)]
    for pid in stale:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _KILL_TIMEOUT_SECONDS
    while any(str(data) in _command_line(pid) for pid in stale) and time.monotonic() < deadline:
        time.sleep(0.05)
    remove_instance(data)


def _command_line(pid: int) -> str:
    """Return the command line of a process; empty if there is no such process."""
    if Path("/proc/self").exists():
        try:
            return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    words, environment = ["ps", "-o", "command=", "-p", str(pid)], {"PATH": os.environ.get("PATH", os.defpath)}
    listed = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    return listed.stdout
