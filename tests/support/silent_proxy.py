"""A TCP proxy before a PostgreSQL server that can swallow whatever is sent over open connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class SilentProxy:
    """The proxy's port, how many connections it has accepted, and a way to silence those that are open."""

    socket: Path
    port: int = 0
    accepted: int = 0
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _generation: int = 0

    def url(self, name: str) -> str:
        """Return the URL of a database behind the proxy."""
        return f"postgresql+psycopg://connector@127.0.0.1:{self.port}/{name}"

    def swallow(self) -> None:
        """Pass nothing on any more over the connections that are open now, in either direction; new ones work."""
        self._generation += 1

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client with the server."""
        self.accepted += 1
        server_reader, server_writer = await asyncio.open_unix_connection(str(self.socket))
        generation = self._generation
        ways = ((reader, server_writer), (server_reader, writer))
        tasks = [asyncio.create_task(self._copy(source, target, generation)) for source, target in ways]
        self._tasks.update(tasks)
        with suppress(asyncio.CancelledError):  # the server of asyncio would log it
            await asyncio.wait(tasks)
        self._tasks.difference_update(tasks)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, generation: int) -> None:
        try:
            while data := await source.read(65536):
                if generation == self._generation:
                    target.write(data)
                    await target.drain()
        except ConnectionError:
            pass
        finally:
            if generation == self._generation:
                target.close()

    def close(self) -> None:
        """Stop passing on."""
        for task in self._tasks:
            task.cancel()


@asynccontextmanager
async def silent_proxy(folder: Path) -> AsyncIterator[SilentProxy]:
    """Run a proxy before the server with this folder until the block ends."""
    proxy = SilentProxy(folder / ".s.PGSQL.5432")
    server = await asyncio.start_server(proxy.pass_on, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.close()
