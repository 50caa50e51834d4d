"""The environment of the demo: `connector dev` in a temporary folder, and the commands that an operator types."""

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
from starter.dev.instance import DevInstance

_CONNECTOR = (sys.executable, "-c", "from starter.cli import main; main()")
_START_TIMEOUT_SECONDS = 60.0
_STOP_TIMEOUT_SECONDS = 30.0
_LAST_OUTPUT_TIMEOUT_SECONDS = 5.0

OnMessage = Callable[[Mapping[str, Any]], None]
"""Called with each message that a channel prints instead of sending it: channel, campaign, user, title, body."""


class DemoFailed(ConnectorError):
    """Something that the demo needs did not start, or a command ended with an unexpected exit code."""


@dataclass(frozen=True)
class DemoEnvironment:
    """A running `connector dev`, with its data folder."""

    data: Path
    instance: DevInstance

    async def run_command(self, *arguments: str) -> tuple[int, str]:
        """Run `connector ARGUMENTS` on this folder; return the exit code and everything that it printed."""
        process = await asyncio.create_subprocess_exec(
            *_CONNECTOR, *arguments, env=_environment(self.data), stdout=-1, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        return process.returncode or 0, output.decode().rstrip()


@asynccontextmanager
async def open_environment(on_message: OnMessage) -> AsyncIterator[DemoEnvironment]:
    """Run everything on free ports until the end of the block.

    Raises:
        DemoFailed: it did not become ready; quotes the end of its log.
    """
    with TemporaryDirectory(prefix="connector-demo-", ignore_cleanup_errors=True) as folder:
        data = Path(folder)
        options = ("--api-port", "0", "--temporal-port", "0", "--ui-port", "0", "--console-port", "0", "--json")
        process = await asyncio.create_subprocess_exec(
            *_CONNECTOR, "dev", *options, env=_environment(data), stdout=-1, stderr=-1
        )
        log: deque[str] = deque(maxlen=20)
        reading = asyncio.create_task(_read_log(process, on_message, log))
        try:
            yield DemoEnvironment(data, await _wait_until_ready(process, reading, log))
        finally:
            await _stop(process)
            reading.cancel()


async def _wait_until_ready(
    process: asyncio.subprocess.Process, reading: asyncio.Task[None], log: deque[str]
) -> DevInstance:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    with suppress(TimeoutError):
        line = await asyncio.wait_for(process.stdout.readline(), _START_TIMEOUT_SECONDS)
        if line:
            return DevInstance.model_validate_json(line)
        await asyncio.wait({reading}, timeout=_LAST_OUTPUT_TIMEOUT_SECONDS)  # the rest of the log has the reason
    raise DemoFailed("connector dev did not become ready. The end of its log:\n" + "\n".join(log))


async def _read_log(process: asyncio.subprocess.Process, on_message: OnMessage, log: deque[str]) -> None:
    """Pass on the messages of the console channels, and keep the end of everything else for errors."""
    assert process.stderr is not None  # noqa: S101 - it was asked for
    async for line in process.stderr:
        text = line.decode(errors="replace").rstrip()
        entry = _json_object(text)
        if entry.get("logger") == "channel.console":
            on_message(entry)
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
        await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def _environment(data: Path) -> dict[str, str]:
    """Return this process's environment without variables that point to another connector or Temporal."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONNECTOR_", "TEMPORAL_"))}
    return kept | {"CONNECTOR_DATA": str(data), "CONNECTOR_LOG_FORMAT": "json"}
