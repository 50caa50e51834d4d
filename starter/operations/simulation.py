"""Simulate definitions on a timeline for a caller over HTTP: in a process of its own, bounded in time and size."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from tempfile import TemporaryDirectory
from typing import Any

from connector.rules.model.errors import ConnectorError, DefinitionError, Fault
from connector.rules.model.values import format_instant
from starter.operations.errors import NotAllowedNow

MAX_SECONDS = 30.0
"""How long a simulation over HTTP may take."""
MAX_OUTCOMES = 10_000
"""How many follow-ups and refusals a simulation over HTTP may have."""
MAX_CHARACTERS = 16 * 1024**2
"""The most characters of its outcomes, rendered messages included."""
_MAX_RUNNING = 2
_running = 0
_VARIABLES = ("PATH", "PYTHONPATH", "PYTHONUTF8", "LANG", "LC_ALL", "SYSTEMROOT")
"""The variables that the process gets: no setting, and therefore no secret."""


class SimulationsBusy(ConnectorError):
    """As many simulations run as may; try again."""


class SimulationTooLarge(NotAllowedNow):
    """The simulation takes more time, memory or outcomes than it may have over HTTP."""


@dataclass(frozen=True)
class Story:
    """What is simulated.

    Args:
        texts: YAML texts by the names of their files; or `mappings`, JSON objects.
        timeline: JSON lines, or YAML.
        until: when to stop (inclusive), UTC; None: when nothing is left to happen.
        with_messages: whether the outcomes also have what went out, as rendered.
    """

    timeline: str
    texts: Mapping[str, str] | None = None
    mappings: Sequence[Any] | None = None
    until: datetime | None = None
    with_messages: bool = False


async def simulate_story(story: Story, *, seconds: float = MAX_SECONDS) -> dict[str, Any]:
    """Return the outcomes as `connector simulate --json` prints them, the warnings, and what ended the run early.

    The definitions were read before, so that they have no faults.

    Raises:
        DefinitionError: the timeline has lines that cannot be read.
        SimulationTooLarge: a bound was reached. SimulationsBusy: two others run.
    """
    global _running
    if _running >= _MAX_RUNNING:
        raise SimulationsBusy("other simulations run; try again")
    _running += 1
    try:
        result = json.loads(await _run_process(story, seconds))
    finally:
        _running -= 1
    if "faults" in result:
        raise DefinitionError([Fault("timeline", fault) for fault in result["faults"]])
    if result.pop("is_cut"):
        raise SimulationTooLarge(
            f"the simulation has more than {MAX_OUTCOMES:,} outcomes, or {MAX_CHARACTERS:,} characters of them; "
            f"{_WAY_OUT}"
        )
    return dict(result)


_WAY_OUT = "send a shorter timeline, or run `connector simulate`"


async def _run_process(story: Story, seconds: float) -> bytes:
    with TemporaryDirectory(prefix="connector-simulation-") as folder:  # gone also if the process is killed
        return await _run_process_in(folder, story, seconds)


async def _run_process_in(folder: str, story: Story, seconds: float) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "starter.operations.simulation_process", folder),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={name: os.environ[name] for name in _VARIABLES if name in os.environ} | {"TMPDIR": folder},
    )
    try:
        async with asyncio.timeout(seconds):
            printed, _ = await process.communicate(json.dumps(_view(story)).encode())
    except TimeoutError:
        raise SimulationTooLarge(f"the simulation has not ended within {seconds:g} seconds; {_WAY_OUT}") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise SimulationTooLarge(
            f"the simulation was ended, because it needs too much memory, time or space; {_WAY_OUT}"
        )
    return printed


def _view(story: Story) -> dict[str, Any]:
    bounds = {"max_outcomes": MAX_OUTCOMES, "max_characters": MAX_CHARACTERS}
    return {**vars(story), "until": format_instant(story.until), **bounds}
