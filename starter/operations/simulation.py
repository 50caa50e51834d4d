"""Simulate definitions on a timeline for a caller over HTTP: in a process of its own, bounded in time and size."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connector.rules.model.errors import ConnectorError, DefinitionError, Fault
from connector.rules.model.values import format_instant
from starter.operations.errors import NotAllowedNow

MAX_SECONDS = 30.0
"""How long a simulation over HTTP may take."""
MAX_OUTCOMES = 10_000
"""How many follow-ups and refusals a simulation over HTTP may have."""
_MAX_RUNNING = 2
_running = 0


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
        raise SimulationTooLarge(f"the simulation has more than {MAX_OUTCOMES:,} outcomes; {_WAY_OUT}")
    return dict(result)


_WAY_OUT = "send a shorter timeline, or run `connector simulate`"


async def _run_process(story: Story, seconds: float) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "starter.operations.simulation_process"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
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
        raise SimulationTooLarge(f"the simulation was ended, because it needs too much memory or time; {_WAY_OUT}")
    return printed


def _view(story: Story) -> dict[str, Any]:
    return {**vars(story), "until": format_instant(story.until), "max_outcomes": MAX_OUTCOMES}
