"""The embedded Temporal server that everything is measured on: that of `connector dev`, but in memory.

On a file it waits for the disk nearly all of the time, and what we add would hardly be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.client import Client

from connector.app.preflight import find_free_port
from connector.temporal.client import connector_plugin
from starter.dev.temporal_server import server_command, wait_for_server

_READY_WITHIN = 60


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Client]:
    """A client of a server of its own, for as long as the block runs."""
    port = find_free_port(0, option="")
    command = server_command(folder, port, None)
    on_file = command.index("--db-filename")
    del command[on_file : on_file + 2]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        address = f"127.0.0.1:{port}"
        async with asyncio.timeout(_READY_WITHIN):
            await wait_for_server(address)
        yield await Client.connect(address, plugins=[connector_plugin()])
    finally:
        process.terminate()
        await process.wait()
