"""Behind the demo: `connector dev` in a folder that is thrown away, and the commands that an operator types."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from connector.rules.model.errors import ConnectorError
from starter.dev.dev_file import Running

_CONNECTOR = (sys.executable, "-c", "from starter.cli import main; main()")
_READY_WITHIN = 60.0
_STOPPED_WITHIN = 30.0

Shown = Callable[[Mapping[str, Any]], None]
"""Called with each message that a channel shows instead of sending it: channel, campaign, user, title, body."""


class DemoFailed(ConnectorError):
    """Something behind the demo did not come up, or a command did not go through."""


@dataclass(frozen=True)
class DemoEnvironment:
    """A running `connector dev`, with the folder that it works in."""

    data: Path
    running: Running

    async def command(self, *words: str) -> tuple[int, str]:
        """Run `connector WORDS` on this folder; returns the exit code and everything that it printed."""
        process = await asyncio.create_subprocess_exec(
            *_CONNECTOR, *words, env=_environment(self.data), stdout=-1, stderr=asyncio.subprocess.STDOUT
        )
        printed, _ = await process.communicate()
        return process.returncode or 0, printed.decode().rstrip()


@asynccontextmanager
async def set_up(show: Shown) -> AsyncIterator[DemoEnvironment]:
    """Everything on free ports, for as long as the block runs.

    Raises:
        DemoFailed: it did not get ready; with the last lines of its log.
    """
    with TemporaryDirectory(prefix="connector-demo-", ignore_cleanup_errors=True) as folder:
        data = Path(folder)
        options = ("--api-port", "0", "--temporal-port", "0", "--ui-port", "0", "--json")
        process = await asyncio.create_subprocess_exec(
            *_CONNECTOR, "dev", *options, env=_environment(data), stdout=-1, stderr=-1
        )
        log: deque[str] = deque(maxlen=20)
        listening = asyncio.create_task(_listen(process, show, log))
        try:
            yield DemoEnvironment(data, await _ready(process, listening, log))
        finally:
            await _stop(process)
            listening.cancel()


async def _ready(process: asyncio.subprocess.Process, listening: asyncio.Task[None], log: deque[str]) -> Running:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with suppress(TimeoutError):
        line = await asyncio.wait_for(process.stdout.readline(), _READY_WITHIN)
        if line:
            return Running.model_validate_json(line)
        await asyncio.wait({listening}, timeout=5)  # until all of its last words are read
    raise DemoFailed("connector dev did not get ready. Its last words:\n" + "\n".join(log))


async def _listen(process: asyncio.subprocess.Process, show: Shown, log: deque[str]) -> None:
    """Show what channels show, and remember the rest in case that something goes wrong."""
    assert process.stderr is not None  # noqa: S101 - it was asked for
    async for line in process.stderr:
        text = line.decode(errors="replace").rstrip()
        said = _json_object(text)
        if said.get("logger") == "channel.console":
            show(said)
        else:
            log.append(text)


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOPPED_WITHIN)
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment(data: Path) -> dict[str, str]:
    """This process's, without what points at a connector or a Temporal of the user's own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "TEMPORAL_"))}
    return kept | {"CONNECTOR_DATA": str(data), "CONNECTOR_LOG_FORMAT": "json"}
