"""A TCP proxy that passes on, falls silent, resets connections, or refuses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_CHUNK_BYTES = 65536


@dataclass
class FaultyProxy:
    """A proxy on loopback before one server; `accepted` counts its connections.

    Args:
        target: a Unix socket, or a host and a port.
    """

    target: Path | tuple[str, int]
    port: int = 0
    accepted: int = 0
    _connections: set[asyncio.StreamWriter] = field(default_factory=set)
    _silenced: set[asyncio.StreamWriter] = field(default_factory=set)
    _is_silent: bool = False
    _is_refusing: bool = False

    def fall_silent(self) -> None:
        """Swallow whatever is sent over connections that are open now, and over those that are opened meanwhile."""
        self._is_silent = True
        self.swallow()

    def swallow(self) -> None:
        """Pass nothing on any more over the connections that are open now, in either direction; new ones work."""
        self._silenced |= self._connections

    def end_silence(self) -> None:
        """Serve new connections; reset those that fell silent, as a firewall does that has forgotten them."""
        self._is_silent = False
        for writer in self._silenced & self._connections:
            writer.transport.abort()
        self._silenced.clear()

    def refuse(self, refusing: bool) -> None:
        """Reset every new connection at once, or no longer."""
        self._is_refusing = refusing

    def reset(self) -> None:
        """Reset every open connection."""
        for writer in list(self._connections):
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass one connection on, both ways, until one side ends it."""
        self.accepted += 1
        if self._is_refusing:
            writer.transport.abort()
            return
        writers = {writer}
        self._open(writer)
        try:
            if not self._is_silent:
                server_reader, server_writer = await self._connect()
                writers.add(server_writer)
                self._open(server_writer)
                await asyncio.gather(self._copy(reader, server_writer), self._copy(server_reader, writer))
            else:
                await self._copy(reader, None)
        except OSError:
            pass
        finally:
            for one in writers:
                self._connections.discard(one)
                one.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if isinstance(self.target, Path):
            return await asyncio.open_unix_connection(str(self.target))
        return await asyncio.open_connection(*self.target)

    def _open(self, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        if self._is_silent:
            self._silenced.add(writer)

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter | None) -> None:
        while data := await source.read(_CHUNK_BYTES):
            if target is not None and target not in self._silenced:
                target.write(data)
                await target.drain()
        if target is not None and target not in self._silenced:
            with suppress(OSError):
                target.write_eof()


@asynccontextmanager
async def run_proxy(target: Path | tuple[str, int]) -> AsyncIterator[FaultyProxy]:
    """Run a proxy before a server until the block ends."""
    proxy = FaultyProxy(target)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.reset()
