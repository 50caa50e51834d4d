"""`dev.json` in the data folder: where a running `connector dev` listens, and the processes that it consists of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

NAME = "dev.json"


class Running(BaseModel):
    """A `connector dev` as it runs now. `pids` are by name: supervisor, temporal, worker, api."""

    model_config = ConfigDict(frozen=True)

    api_url: str
    temporal_address: str
    ui_url: str | None
    pids: dict[str, int]


def read_running(data: Path) -> Running | None:
    """What the last `connector dev` of this folder wrote; None where it ended in order or never ran."""
    try:
        return Running.model_validate_json((data / NAME).read_bytes())
    except (OSError, ValidationError):
        return None


def write_running(data: Path, running: Running) -> None:
    """Tell the other commands, at one stroke: a reader sees the old text or the new one."""
    draft = data / f"{NAME}.new"
    draft.write_text(running.model_dump_json(indent=2) + "\n")
    draft.replace(data / NAME)


def remove_running(data: Path) -> None:
    """It ended in order."""
    (data / NAME).unlink(missing_ok=True)


def find_temporal(data: Path) -> None:
    """Let this process use the Temporal of this folder's `connector dev`, unless the environment names another."""
    running = read_running(data)
    if running is not None and not {"TEMPORAL_ADDRESS", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"} & os.environ.keys():
        found = pointed_at(running.temporal_address, os.environ)
        os.environ.clear()
        os.environ.update(found)


def pointed_at(temporal_address: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with this Temporal in it, and without the namespaces, keys and profiles of others."""
    kept = {name: value for name, value in environment.items() if not name.startswith("TEMPORAL_")}
    return {**kept, "TEMPORAL_ADDRESS": temporal_address, "TEMPORAL_CONFIG_FILE": os.devnull}
