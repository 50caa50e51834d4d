"""A provider of webhooks that answers 204 at once and remembers when it was called, by the path."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import perf_counter

_ANSWER = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


class Receiver:
    """The calls so far: `called_at` has the time of `perf_counter` by path."""

    def __init__(self) -> None:
        self.called_at: dict[str, float] = {}
        self.port = 0

    async def wait_for(self, count: int, seconds: float) -> None:
        """Return when there have been so many calls. Raises TimeoutError."""
        async with asyncio.timeout(seconds):
            while len(self.called_at) < count:  # noqa: ASYNC110 - the calls are made by another process
                await asyncio.sleep(0.005)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = await reader.readuntil(b"\r\n")
        self.called_at.setdefault(head.split()[1].decode(), perf_counter())
        await reader.readuntil(b"\r\n\r\n")
        writer.write(_ANSWER)
        writer.close()


@asynccontextmanager
async def run_receiver() -> AsyncIterator[Receiver]:
    """Serve on loopback until the block ends."""
    receiver = Receiver()
    async with await asyncio.start_server(receiver.answer, "127.0.0.1", 0) as server:
        receiver.port = server.sockets[0].getsockname()[1]
        yield receiver
